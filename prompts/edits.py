"""Edit replies: search/replace blocks put into a file, tolerant in white space, with a hint on a miss."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from evoarch.prompts.chat import answer_in, fences
from evoarch.prompts.outline import merged, outline
from evoarch.prompts.replies import Parsed, answered, checked, unreadable
from evoarch.sandbox.parsing import GenomeError

_SEARCH = re.compile(r"^\s*<{5,9}\s*SEARCH\b")
_DIVIDER = re.compile(r"^\s*={5,9}\s*$")
_REPLACE = re.compile(r"^\s*>{5,9}\s*REPLACE\b")

_UNCOMMENTED = re.compile(r"""(?:[^#'"]|'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|['"])*""")

MOST_SHOWN = 240
"""Characters of the nearest lines that a hint shows."""

LIKE = 0.4
"""Least likeness (twice the shared pairs of letters over all pairs) at which lines are named as nearest:
below it the hint would mislead."""


@dataclass(frozen=True)
class Edit:
    """`search`: lines that stand in the file; `replace`: those that stand there instead."""

    search: tuple[str, ...]
    replace: tuple[str, ...]


def edited(source: str, reply: str, entry: str, *, cut: bool = False) -> Parsed:
    """`source` after all blocks of `reply`, in their order. `cut`: the reply ended at the token limit.

    A block that misses, or fits several places, makes the whole reply a problem that names the nearest lines.
    A reply without blocks may be the whole file.
    """
    if problem := unreadable(reply):
        return Parsed(problem=problem)
    reply = answer_in(reply)
    if not reply.strip():
        return Parsed(problem="expected code, got reasoning alone")
    edits, problem = blocks_in(reply, cut=cut)
    if problem:
        whole = Parsed() if marked(reply) else _whole_file(source, reply, entry, cut=cut)
        return whole if whole.source else Parsed(problem=problem)
    text = source
    for number, edit in enumerate(edits, 1):
        text, problem = applied(text, edit)
        if problem:
            return Parsed(problem=f"block {number} of {len(edits)}: {problem}")
    if text == source:
        return Parsed(problem="expected a change, got blocks that replace lines by themselves")
    try:
        return checked(text, entry)
    except GenomeError as error:
        return Parsed(problem=f"expected a Python file after the edits, got {error}")


def marked(reply: str) -> bool:
    """Whether a reply has the marks of search/replace blocks."""
    return any(_SEARCH.match(line) or _REPLACE.match(line) for line in reply.split("\n"))


def _whole_file(source: str, reply: str, entry: str, *, cut: bool) -> Parsed:
    parsed = answered(reply, merged([outline(source, entry)]), entry, cut=cut)
    note = "; ".join(part for part in ("a whole file, where edits were asked for", parsed.note) if part)
    return replace(parsed, note=note)


def blocks_in(reply: str, *, cut: bool = False) -> tuple[list[Edit], str]:
    """The blocks of a reply, and what is wrong with them. Prose and fences around them are passed over.

    An unfinished last block is left out where the reply was `cut` and another one is whole.
    """
    edits: list[Edit] = []
    part, search, replace = "", list[str](), list[str]()
    for number, line in enumerate(reply.replace("\r\n", "\n").expandtabs(4).split("\n"), 1):
        if _SEARCH.match(line):
            if part:
                return edits, f"line {number}: expected the end of the block before, got another SEARCH"
            part, search, replace = "search", [], []
        elif part == "search" and _DIVIDER.match(line):
            part = "replace"
        elif part == "replace" and _REPLACE.match(line):
            edits.append(Edit(_trimmed(search), _trimmed(replace)))
            part = ""
        elif part == "search":
            search.append(line)
        elif part == "replace":
            replace.append(line)
    if part and not (cut and edits):
        return edits, f"expected a block to end with >>>>>>> REPLACE, it ends within its {part} part"
    if not edits:
        return [], "expected search/replace blocks (<<<<<<< SEARCH ... ======= ... >>>>>>> REPLACE), got none"
    return edits, ""


def applied(source: str, edit: Edit) -> tuple[str, str]:
    """`source` with the edit, or unchanged with the problem.

    The strictest reading that finds the lines counts: as they are; without white space at their ends; at
    another indentation, which the new lines then take on; with any white space within; without comments and
    blank lines.
    """
    if not edit.search:
        return source, "expected lines to search for, got none"
    lines = source.split("\n")
    for reading in (str, str.rstrip, None, _squeezed, _code):
        found = _places(lines, edit.search, reading)
        if len(found) > 1:
            where = ", ".join(str(at + 1) for at, _ in found)
            return (
                source,
                f"expected lines that stand once, they stand at lines {where}: search for more lines",
            )
        if found:
            at, after = found[0]
            first = next(line for line in edit.search if reading is not _code or _code(line))
            shift = 0 if reading in (str, str.rstrip) else _indent(lines[at]) - _indent(first)
            new = [_shifted(line, shift) for line in edit.replace]
            return "\n".join([*lines[:at], *new, *lines[after:]]), ""
    return source, f"the searched lines do not stand in the model; {nearest_lines(lines, edit.search)}"


def nearest_lines(lines: Sequence[str], search: Sequence[str]) -> str:
    """The lines that are most like `search`, with their numbers, as a hint."""
    best, at = _nearest([_pairs(line) for line in lines], [_pairs(line) for line in search])
    if best < LIKE:
        return "no lines there are like them"
    shown = "\n".join(lines[at : at + len(search)])
    shown = shown if len(shown) <= MOST_SHOWN else shown[:MOST_SHOWN] + " ..."
    last = min(at + len(search), len(lines))
    place = f"line {at + 1} is" if last == at + 1 else f"lines {at + 1} to {last} are"
    return f"{place} nearest: {shown!r}"


def _nearest(lines: Sequence[Sequence[str]], search: Sequence[Sequence[str]]) -> tuple[float, int]:
    """The likeness of the lines that share most pairs of letters with `search`, and where they begin.

    One pass over the file: a reply may search for many lines, and nobody else is served meanwhile.
    """
    missing = Counter(pair for line in search for pair in line)
    total, shared, size = missing.total(), 0, 0
    best, at = 0.0, 0
    for end, entering in enumerate(lines, 1):
        for pair in entering:
            shared += missing[pair] > 0
            missing[pair] -= 1
        leaving = lines[end - len(search) - 1] if end > len(search) else ()
        for pair in leaving:
            missing[pair] += 1
            shared -= missing[pair] > 0
        size += len(entering) - len(leaving)
        likeness = 2 * shared / max(1, size + total)
        if likeness > best and end >= min(len(search), len(lines)):
            best, at = likeness, max(0, end - len(search))
    return best, at


def _pairs(line: str) -> list[str]:
    """Letters beside each other; the ends of a line count as letters, white space as none."""
    text = f"\n{_squeezed(line)}\n"
    return [text[at : at + 2] for at in range(len(text) - 1)] if len(text) > 2 else []


def _places(
    lines: Sequence[str], search: Sequence[str], reading: Callable[[str], str] | None
) -> list[tuple[int, int]]:
    """Where `search` stands: its first line and the line behind its last."""
    kept = [at for at, line in enumerate(lines) if reading is not _code or _code(line)]
    search = [line for line in search if reading is not _code or _code(line)]
    if not search:
        return []
    read = _dedented if reading is None else lambda some: [reading(line) for line in some]
    key = _code if reading is _code else _squeezed
    wanted, first, count = read(search), key(search[0]), len(search)
    found = []
    for start in range(len(kept) - count + 1):
        at = kept[start : start + count]
        if key(lines[at[0]]) == first and read([lines[each] for each in at]) == wanted:
            found.append((at[0], at[-1] + 1))
    return found


def _dedented(lines: Sequence[str]) -> list[str]:
    least = min((_indent(line) for line in lines if line.strip()), default=0)
    return [line[least:].rstrip() for line in lines]


def _squeezed(line: str) -> str:
    return "".join(line.split())


def _code(line: str) -> str:
    """Without white space and a comment at its end."""
    found = _UNCOMMENTED.match(line)
    return _squeezed(found[0] if found else line)


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _shifted(line: str, shift: int) -> str:
    if not line.strip():
        return ""
    return " " * shift + line if shift >= 0 else line[min(-shift, _indent(line)) :]


def _trimmed(lines: Sequence[str]) -> tuple[str, ...]:
    """Without blank lines at both ends, and without a code fence around them."""
    text = "\n".join(lines)
    if (inner := fences(text.strip())) and len(inner) == 1 and text.strip()[:3] == text.strip()[-3:]:
        first = next(at for at, line in enumerate(lines) if line.strip())
        last = max(at for at, line in enumerate(lines) if line.strip())
        lines = lines[first + 1 : last]
    full = [number for number, line in enumerate(lines) if line.strip()]
    return tuple(lines[full[0] : full[-1] + 1]) if full else ()
