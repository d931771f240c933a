"""What changed between two model files, by statement: layout, comments and docstrings are no change."""

from __future__ import annotations

import ast
import difflib
import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from evoarch.sandbox.parsing import GenomeError, gate

Kind = Literal["same", "changed", "removed", "added"]
INDENT = "    "
SIMILAR = 0.4
"""Two statements at the same place are one that changed from this ratio of shared words on."""
MOST_ALIGNED = 120
"""A replaced block of more statements than this is not aligned statement by statement."""
MOST_PAIRS = 4_000_000
"""Pairs of statements that are looked at; of larger files only what they begin and end with alike is
found."""
_WORDS = re.compile(r"\w+|\s+|[^\w\s]")


@dataclass(frozen=True)
class DiffPiece:
    """A part of a statement; `changed` where the other side says something else."""

    text: str
    changed: bool


@dataclass(frozen=True)
class Row:
    """One row of a side-by-side view; a side is empty where it has no such statement."""

    kind: Kind
    left: tuple[DiffPiece, ...]
    right: tuple[DiffPiece, ...]

    @property
    def left_text(self) -> str:
        """The left side in one piece."""
        return "".join(piece.text for piece in self.left)


def compare(left: str, right: str) -> list[Row]:
    """Rows from the first statement to the last. A text that is no Python file is compared by line."""
    before, after = statements(left), statements(right)
    if len(before) * len(after) > MOST_PAIRS:
        return _apart(before, after)
    rows: list[Row] = []
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
    for tag, i, j, k, m in matcher.get_opcodes():
        if tag == "equal":
            rows += [Row("same", _whole(text), _whole(text)) for text in before[i:j]]
        else:
            rows += _replaced(before[i:j], after[k:m])
    return rows


def _apart(before: Sequence[str], after: Sequence[str]) -> list[Row]:
    """What both begin and end with, and between that all of the one and all of the other."""
    start = next((k for k, (a, b) in enumerate(zip(before, after, strict=False)) if a != b), None)
    start = min(len(before), len(after)) if start is None else start
    ends = zip(reversed(before[start:]), reversed(after[start:]), strict=False)
    end = sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], ends))
    rows = [Row("same", _whole(text), _whole(text)) for text in before[:start]]
    rows += [Row("removed", _whole(text), ()) for text in before[start : len(before) - end]]
    rows += [Row("added", (), _whole(text)) for text in after[start : len(after) - end]]
    return rows + [Row("same", _whole(text), _whole(text)) for text in before[len(before) - end :]]


def statements(source: str) -> list[str]:
    """One line per statement in a normal layout, indented; headers of blocks stand alone."""
    try:
        tree = gate(source)
    except GenomeError:
        return source.splitlines()
    return list(_flat(tree.body, 0))


def _flat(body: Sequence[ast.stmt], depth: int) -> Iterator[str]:
    for statement in body:
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
            continue  # A docstring or another bare constant does nothing.
        yield from _statement(statement, depth)


def _statement(statement: ast.stmt, depth: int) -> Iterator[str]:
    pad = INDENT * depth
    if isinstance(statement, ast.If):
        yield from _branches(statement, depth, "if")
        return
    inner = getattr(statement, "body", None)
    if not isinstance(inner, list) or isinstance(statement, ast.Match):
        yield from (pad + line for line in ast.unparse(statement).splitlines())
        return
    decorators = getattr(statement, "decorator_list", [])
    yield from (f"{pad}@{ast.unparse(each)}" for each in decorators)
    yield pad + _header(statement)
    yield from _flat(inner, depth + 1)
    for handler in getattr(statement, "handlers", []):
        kind = f" {ast.unparse(handler.type)}" if handler.type else ""
        name = f" as {handler.name}" if handler.name else ""
        yield f"{pad}except{kind}{name}:"
        yield from _flat(handler.body, depth + 1)
    for word, field in (("else", "orelse"), ("finally", "finalbody")):
        if block := getattr(statement, field, []):
            yield f"{pad}{word}:"
            yield from _flat(block, depth + 1)


def _branches(statement: ast.If, depth: int, word: str) -> Iterator[str]:
    pad = INDENT * depth
    yield f"{pad}{word} {ast.unparse(statement.test)}:"
    yield from _flat(statement.body, depth + 1)
    if len(statement.orelse) == 1 and isinstance(statement.orelse[0], ast.If):
        yield from _branches(statement.orelse[0], depth, "elif")
    elif statement.orelse:
        yield f"{pad}else:"
        yield from _flat(statement.orelse, depth + 1)


def _header(statement: ast.stmt) -> str:
    """The first line of a block, without its decorators and its body."""
    bare = ast.parse("pass").body
    fields = {name: getattr(statement, name) for name in statement._fields if hasattr(statement, name)}
    empty: dict[str, object] = {"body": bare}
    for name in ("decorator_list", "handlers", "orelse", "finalbody"):
        if name in fields:
            empty[name] = []
    if isinstance(statement, ast.Try | ast.TryStar):
        return "try:"
    copy = type(statement)(**{**fields, **empty})
    return ast.unparse(ast.fix_missing_locations(copy)).splitlines()[0]


def _replaced(before: Sequence[str], after: Sequence[str]) -> list[Row]:
    """Statements that became others are set beside each other, in order, where they share enough."""
    pairs = _aligned(before, after) if max(len(before), len(after)) <= MOST_ALIGNED else []
    rows: list[Row] = []
    i = k = 0
    for left, right in [*pairs, (len(before), len(after))]:
        rows += [Row("removed", _whole(text), ()) for text in before[i:left]]
        rows += [Row("added", (), _whole(text)) for text in after[k:right]]
        if left < len(before):
            rows.append(_changed(before[left], after[right]))
        i, k = left + 1, right + 1
    return rows


def _aligned(before: Sequence[str], after: Sequence[str]) -> list[tuple[int, int]]:
    """Pairs in order with the largest sum of likeness (a longest common subsequence with weights)."""
    likeness = [[_likeness(one, other) for other in after] for one in before]
    best = [[0.0] * (len(after) + 1) for _ in range(len(before) + 1)]
    for i in reversed(range(len(before))):
        for k in reversed(range(len(after))):
            best[i][k] = max(best[i + 1][k], best[i][k + 1], best[i + 1][k + 1] + likeness[i][k])
    pairs: list[tuple[int, int]] = []
    i = k = 0
    while i < len(before) and k < len(after):
        if likeness[i][k] and best[i][k] == best[i + 1][k + 1] + likeness[i][k]:
            pairs.append((i, k))
            i, k = i + 1, k + 1
        elif best[i][k] == best[i + 1][k]:
            i += 1
        else:
            k += 1
    return pairs


def _likeness(one: str, other: str) -> float:
    left, right = set(_WORDS.findall(one)), set(_WORDS.findall(other))
    share = 2 * len(left & right) / (len(left) + len(right)) if left or right else 1.0
    return share if share >= SIMILAR else 0.0


def _changed(left: str, right: str) -> Row:
    before, after = _WORDS.findall(left), _WORDS.findall(right)
    ours: list[DiffPiece] = []
    theirs: list[DiffPiece] = []
    for tag, i, j, k, m in difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if j > i:
            ours.append(DiffPiece("".join(before[i:j]), tag != "equal"))
        if m > k:
            theirs.append(DiffPiece("".join(after[k:m]), tag != "equal"))
    return Row("changed", tuple(ours), tuple(theirs))


def _whole(text: str) -> tuple[DiffPiece, ...]:
    return (DiffPiece(text, False),)
