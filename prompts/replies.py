"""A model's reply turned back into source, or into a problem. Nothing here raises for what a reply holds."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from evoarch.prompts.chat import Fence, answer_in, fences, outside
from evoarch.prompts.fragments import is_known, with_fragments
from evoarch.prompts.outline import Outline, assemble, definitions
from evoarch.sandbox.parsing import GenomeError, gate, parse

MAX_REPLY = 65_536
"""Characters. The largest baseline file has 2,000; a longer reply is refused unread."""

MAX_TAIL = 12
"""Lines of the unfinished statement that may be dropped from the end of a reply that was cut off."""

MAX_PARSED = 500_000
"""Characters that are parsed, all tries together, to find where a file among prose begins and ends."""

_CODE = re.compile(r"^(?:import|from|class|def|@|[A-Z][A-Z_0-9]* *=)", re.MULTILINE)
_BEFORE = re.compile(
    r"\b(?:original|old|previous|parent|unchanged)\b[^.\n]{0,30}\b(?:was|were|looked|read)\b"
    r"|^\W*(?:the )?(?:original|old|previous|before|parent)\b(?: \w+){0,2}\W*$"
    r"|\bfor (?:reference|comparison)\b",
    re.IGNORECASE,
)
"""A line above a block that shows what was there before."""


@dataclass(frozen=True)
class Parsed:
    """`source` of a child, or "" with the `problem` in one line.

    `note`: how the reply was read where it was not in the form that was asked for, else "".
    """

    source: str = ""
    problem: str = ""
    note: str = ""


def completed(head: str, reply: str, around: Outline, entry: str, *, cut: bool = False) -> Parsed:
    """What a base model wrote behind `head` (prompts.outline.header), up to the first text in column 0.

    `cut`: the reply ended at the token limit; then its unfinished last statement is dropped where the rest is
    sound. `around` gives imports and helpers.
    """
    if problem := unreadable(reply):
        return Parsed(problem=problem)
    try:
        text, dropped = sound(head + _body(reply), cut=cut)
        return _blamed(checked(assemble(around, text), entry), dropped)
    except GenomeError as error:
        return Parsed(problem=f"expected Python code, got {error}")


def answered(reply: str, around: Outline, entry: str, *, cut: bool = False) -> Parsed:
    """What a chat model answered: one file with one entry, in code fences or bare, among prose or not.

    Of several blocks with the entry the last one that is sound counts, but none that an outline of `around`
    shows too or that prose calls the old one. Helpers and imports that it needs may stand in other blocks.
    `cut`: as in `completed`.
    """
    if problem := unreadable(reply):
        return Parsed(problem=problem)
    reply = answer_in(reply)
    if not reply.strip():
        return Parsed(problem="expected code, got reasoning alone")
    blocks = fences(reply)
    defines = re.compile(rf"^(?:class|def)\s+{re.escape(entry)}\b", re.MULTILINE)
    files = [block for block in blocks if defines.search(block.text)]
    if not files:
        return _without_fences(reply, blocks, around, entry, cut=cut)
    others = [block.text for block in blocks if block not in files]
    files = [block for block in files if not is_known(block.text, around, entry)] or files
    files = [block for block in files if not _BEFORE.search(block.above)] or files
    found = [_file(block.text, around, entry, others, cut=cut and not block.closed) for block in files]
    return ([parsed for parsed in found if not parsed.problem] or found)[-1]


def _without_fences(reply: str, blocks: Sequence[Fence], around: Outline, entry: str, *, cut: bool) -> Parsed:
    """A file outside all blocks, or spread over them."""
    bare = outside(reply) if blocks else reply
    start = _CODE.search(bare)
    helpers = [block.text for block in blocks]
    parsed = _file(bare[start.start() :] if start else bare, around, entry, helpers, cut=cut and not blocks)
    if parsed.problem and blocks:
        together = _file("\n\n".join(helpers), around, entry, (), cut=cut)
        return _file(blocks[-1].text, around, entry, (), cut=cut) if together.problem else together
    return parsed


def _file(text: str, around: Outline, entry: str, others: Sequence[str], *, cut: bool) -> Parsed:
    """The first sound file in `text`: all of it, or without the prose around it."""
    first, dropped = Parsed(), None
    parsed_so_far = 0
    for number, part in enumerate(chain([text], _parts(text, entry))):
        parsed_so_far += len(part)
        if number and parsed_so_far > MAX_PARSED:
            break
        try:
            code, dropped = sound(part, cut=cut and not number)
            code = _without_remarks(code)
            parts, note = with_fragments(code, others, around, entry)
            parsed = _blamed(checked(assemble(parts, code), entry), dropped)
        except GenomeError as error:
            parsed, note = Parsed(problem=f"expected a Python file, got {error}"), ""
        if not parsed.problem:
            return Parsed(parsed.source, note=note)
        first = first if number else parsed
    return first


def _parts(text: str, entry: str) -> Iterator[str]:
    """From a line of code to a line of prose behind the entry's definition, the longest first."""
    lines = text.rstrip().split("\n")
    entries = [
        at for at, line in enumerate(lines) if re.match(rf"(?:class|def)\s+{re.escape(entry)}\b", line)
    ]
    if not entries:
        return
    code = [at for at, line in enumerate(lines[: entries[0] + 1]) if _CODE.match(line)]
    prose = [
        at
        for at, line in enumerate(lines)
        if at > entries[0] and line[:1].strip() and not _CODE.match(line) and line[0] not in ")]}"
    ]
    for start in code:
        for end in [len(lines), *reversed(prose)]:
            yield "\n".join(lines[start:end])


def _without_remarks(text: str) -> str:
    """Without a remark at the end that happens to be Python: `Enjoy`, `Note: smaller`."""
    lines = text.split("\n")
    for node in reversed(gate(text).body):
        named = isinstance(node, ast.AnnAssign) and node.value is None
        if not (named or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Name))):
            break
        lines = lines[: node.lineno - 1]
    return "\n".join(lines)


def unreadable(reply: str) -> str:
    """Why a reply can't be looked at ("" if it can): empty, too long, or no UTF-8 text."""
    if not reply.strip():
        return "expected code, got an empty reply"
    if len(reply) > MAX_REPLY:
        return f"expected at most {MAX_REPLY} characters, got {len(reply)}"
    try:
        reply.encode()
    except UnicodeEncodeError as error:
        return f"expected UTF-8 text, got {reply[error.start]!r} at character {error.start}"
    return ""


def _body(reply: str) -> str:
    """`reply` up to the first text in column 0; its own first line goes on where the prompt ended."""
    first, *rest = reply.replace("\r\n", "\n").expandtabs(4).split("\n")
    for number, line in enumerate(rest):
        if line[:1].strip():
            rest = rest[:number]
            break
    return "\n".join([first, *rest]).rstrip() + "\n"


def sound(text: str, *, cut: bool) -> tuple[str, GenomeError | None]:
    """`text` if LibCST reads it; if it was `cut` off, its beginning without the unfinished last statement.

    The error of what was dropped stands beside it. Raises GenomeError where more than one statement is wrong.
    """
    lines = text.rstrip().split("\n")
    try:
        parse("\n".join(lines) + "\n")
        return "\n".join(lines) + "\n", None
    except GenomeError as error:
        if not cut:
            raise
        first = error
    for at in range(len(lines) - 1, max(0, len(lines) - 1 - MAX_TAIL), -1):
        if not lines[at].strip() or not _one_statement(lines[at:]):
            continue
        beginning = "\n".join(lines[:at]) + "\n"
        try:
            parse(beginning)
            return beginning, first
        except GenomeError:
            continue
    raise first


def _one_statement(lines: Sequence[str]) -> bool:
    """Whether all `lines` belong to the statement that the first one begins: deeper, or in its brackets."""
    depth = 0
    outer = len(lines[0]) - len(lines[0].lstrip())
    for number, line in enumerate(lines):
        deeper = len(line) - len(line.lstrip()) > outer
        if number and line.strip() and depth <= 0 and not deeper:
            return False
        depth += open_brackets(line)
    return True


def _blamed(parsed: Parsed, cut: GenomeError | None) -> Parsed:
    """If the part that parses is no model, the error behind it is what was wrong with the reply."""
    return Parsed(problem=f"expected Python code, got {cut}") if parsed.problem and cut else parsed


def checked(source: str, entry: str) -> Parsed:
    """One entry; and if it is a class of nn.Module's own kind, a forward that returns something."""
    found = definitions(source, entry)
    if found != 1:
        return Parsed(problem=f"expected one definition of {entry}, got {found}")
    for node in gate(source).body:
        if isinstance(node, ast.ClassDef) and node.name == entry:
            return _whole(source, node)
    return Parsed(source)


def _whole(source: str, node: ast.ClassDef) -> Parsed:
    if [ast.unparse(base) for base in node.bases] != ["nn.Module"]:
        return Parsed(source)  # forward may be inherited
    for member in node.body:
        if isinstance(member, ast.FunctionDef) and member.name == "forward":
            if any(isinstance(each, ast.Return) and each.value for each in ast.walk(member)):
                return Parsed(source)
            return Parsed(problem=f"expected {node.name}.forward to return something, the reply ends before")
    return Parsed(problem=f"expected {node.name} to define forward, the reply ends before")


def open_brackets(text: str) -> int:
    """How many brackets `text` leaves open; those in strings count too, which costs a child at worst."""
    return sum(text.count(each) for each in "([{") - sum(text.count(each) for each in ")]}")
