"""What of a genome runs: its code without comments, docstrings and layout, each statement on a line.

A running program can read its own text: docstrings as attributes, comments and blanks through `inspect`. A
table in there would be data that nothing counts. So what runs is what sandbox/description.py measures.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Executable:
    """`text` is what runs. `complete`: it is the source itself, prose and all, which could not be rewritten.
    `lines` has the source's line of each line of `text`, both counted from 1 (place 0 is 0).
    """

    text: str
    complete: bool
    lines: Sequence[int]

    def line(self, number: int) -> int:
        """The line of the source that line `number` of `text` came from; 0 where it has none."""
        if self.complete:
            return number
        return self.lines[number] if 0 <= number < len(self.lines) else 0


@functools.lru_cache(maxsize=256)
def executable(source: str) -> Executable:
    """The executable form of a source. Text that Python can't read or rewrite stays as it is, to fail in
    the child or to be measured whole. Never raises.
    """
    try:
        tree = ast.parse(source)
        before = [node.lineno for node in statements(tree)]
        text = ast.unparse(tree)
        after = [node.lineno for node in statements(ast.parse(text), kept=True)]
        if len(before) != len(after):
            raise ValueError("the rewritten source has other statements")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return Executable(source, True, ())
    lines = [0] * (text.count("\n") + 2)
    for new, old in zip(after, before, strict=True):
        lines[new] = lines[new] or old
    for place in range(1, len(lines)):
        lines[place] = lines[place] or lines[place - 1]
    return Executable(text, False, tuple(lines))


def statements(tree: ast.AST, *, kept: bool = False) -> list[ast.stmt]:
    """The statements of a tree in a fixed order. Those that are no more than a literal, docstrings among
    them, are taken out of it first, unless they are `kept`.
    """
    found: list[ast.stmt] = []
    for node in ast.walk(tree):
        for name in ("body", "orelse", "finalbody"):
            block = getattr(node, name, None)
            if not isinstance(block, list) or not block:
                continue
            if not kept:
                code = [each for each in block if not _is_prose(each)]
                empty = ast.copy_location(ast.Pass(), block[0])
                block[:] = code or ([] if name == "orelse" else [empty])
            found += block
    return found


def _is_prose(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
