"""A winner as a unified diff against the user's own files: each change goes back to where it came from."""

from __future__ import annotations

import builtins
import difflib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from evoarch.agent.base.errors import UserError
from evoarch.agent.seeding.frozen import canonical
from evoarch.agent.seeding.inline import Piece
from evoarch.agent.seeding.names import renamed
from evoarch.agent.seeding.record import SeedRecord, text_digest
from evoarch.agent.seeding.resolve import Repository
from evoarch.agent.seeding.units import Source, Unit, reads, units_of
from evoarch.sandbox.genome import strip_prose

_INSTEAD = "`evoarch export --file` writes the whole model as one file"


@dataclass
class _Edits:
    """What happens to one file: new text for line ranges (1-based, inclusive), text before lines, imports."""

    replaced: list[tuple[int, int, str]] = field(default_factory=list)
    inserted: list[tuple[int, str]] = field(default_factory=list)
    imports: list[str] = field(default_factory=list)


def patch(record: SeedRecord, seed: str, child: str) -> str:
    """The difference between the user's files and what a descendant of their seed makes of them.

    `seed` and `child` are genomes. "" where the child changes nothing. Raises UserError where a file was
    changed since it was added, or where a change can't be returned.
    """
    root = Path(record.repository)
    repository = Repository.around(root / record.file)
    before = {n: u for u in _units(seed) for n in u.names}
    after = {n: u for u in _units(child) for n in u.names}
    pieces = {n: p for p in record.pieces for n in p.names}
    helpers = {n: u for n, u in after.items() if n not in before and u.kind != "import"}
    edits: dict[str, _Edits] = {}
    for name, piece in pieces.items():
        new = after.get(name)
        if new is None:
            raise UserError(f"{piece.file}:{piece.line}: {name} is gone from the model; {_INSTEAD}", code=1)
        if name != piece.names[0] or canonical(new.text) == canonical(before[name].text):
            continue
        source = repository.source(root / piece.file)
        _check(record, source)
        edit = edits.setdefault(piece.file, _Edits())
        text = renamed(_with_prose(before[name].text, new.text), piece.spelled)
        edit.replaced.append((piece.start, piece.end, text))
        wanted = _helpers(reads(new.text), helpers)
        for helper in wanted:
            placed = helpers[helper].text.rstrip("\n") + "\n\n\n"
            if all(placed != other for _, other in edit.inserted):
                edit.inserted.append((piece.start, placed))
        _names(repository, source, piece, text, [helpers[h] for h in wanted], child, edit)
    return "".join(_diff(repository.source(root / file), edit) for file, edit in sorted(edits.items()))


def _units(genome: str) -> list[Unit]:
    return list(units_of(genome))


def _check(record: SeedRecord, source: Source) -> None:
    if text_digest(source.text) != record.files[source.place]:
        raise UserError(
            f"{source.path}:1: was changed since the seed was added; restore it or add the seed again", code=1
        )


def _helpers(names: frozenset[str], helpers: dict[str, Unit], seen: set[str] | None = None) -> list[str]:
    """New definitions that a text reads, with those that they read, the needed ones first.

    `seen`: those on the way or found already, for helpers may call each other.
    """
    seen = set() if seen is None else seen
    found: list[str] = []
    for name in sorted(names & helpers.keys()):
        if name not in seen:
            seen.add(name)
            found += [*_helpers(reads(helpers[name].text), helpers, seen), name]
    return found


def _names(
    repository: Repository,
    source: Source,
    piece: Piece,
    text: str,
    helpers: Sequence[Unit],
    child: str,
    edit: _Edits,
) -> None:
    """Every name that a returned text reads must mean the same in its file; imports are added for it."""
    own = {name for helper in helpers for name in helper.names} | set(dir(builtins))
    wanted = reads(text).union(*(reads(h.text) for h in helpers)) - own
    imported = {i.bound: i for u in _units(child) for i in u.imports}
    for name in sorted(wanted):
        if source.binding(name) or repository.lookup(source, name) is not None:
            continue
        if name not in imported:
            raise UserError(
                f"{source.place}:{piece.line}: the change uses {name}, which this file does not know; "
                f"{_INSTEAD}",
                code=1,
            )
        one = imported[name]
        line = f"from {one.module} import {one.name}" if one.name else f"import {one.module}"
        line += f" as {one.bound}" if one.aliased else ""
        if line not in edit.imports:
            edit.imports.append(line)


def _with_prose(before: str, after: str) -> str:
    """`after` with the comments and docstrings of `before`, where an operator had them taken out."""
    if strip_prose(after).rstrip() != after.rstrip() or strip_prose(before).rstrip() == before.rstrip():
        return after
    old, new = before.splitlines(), after.rstrip().splitlines()
    bare = [line for line in strip_prose(before).splitlines() if line.strip()]
    full = [n for n, line in enumerate(new) if line.strip()]
    place: list[int] = []
    for line in bare:
        at = place[-1] + 1 if place else 0
        while at < len(old) and not old[at].startswith(line.rstrip()):
            at += 1
        place.append(at)
    if not place or place[-1] >= len(old):
        return after
    lines: list[str] = []
    matcher = difflib.SequenceMatcher(None, bare, [new[n] for n in full], autojunk=False)
    for tag, i, j, k, m in matcher.get_opcodes():
        if tag == "equal":
            lines += old[place[i - 1] + 1 if i else 0 : place[j - 1] + 1]
        elif m > k:
            lines += new[full[k] : full[m - 1] + 1]
    return "\n".join(lines) + "\n"


def _diff(source: Source, edit: _Edits) -> str:
    raw = source.path.read_bytes().decode("utf-8")
    end = "\r\n" if "\r\n" in raw else "\n"
    old = raw.splitlines(keepends=True)
    new = list(old)
    changes = [(start - 1, stop, text) for start, stop, text in edit.replaced]
    changes += [(start - 1, start - 1, text) for start, text in edit.inserted]
    if edit.imports:
        lines = [u.end for u in source.units if u.kind == "import"] or [0]
        changes.append((lines[-1], lines[-1], "\n".join(edit.imports) + "\n"))
    # From the bottom up, what stands in the file before it first, so that line numbers keep their meaning.
    for start, stop, text in sorted(changes, key=lambda c: (c[0], c[1]), reverse=True):
        new[start:stop] = [line + end for line in text.rstrip("\n").split("\n")] + (
            [end] * (len(text) - len(text.rstrip("\n")) - 1) if start == stop else []
        )
    diff = difflib.unified_diff(old, new, f"a/{source.place}", f"b/{source.place}")
    return "".join(
        line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in diff
    )
