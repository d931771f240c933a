"""Docstrings that a model has from an ancestor, above code that they were not written for."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from evoarch.archive.records import Candidate
from evoarch.archive.store import Store
from evoarch.sandbox.parsing import GenomeError, gate

GENERATIONS = 50
"""First parents that are asked whose a docstring is."""


@dataclass(frozen=True)
class StaleDocstring:
    """The docstring of `name` ("the module", or a dotted name) on lines `first` to `last` is `ancestor`'s,
    whose code there is another.
    """

    name: str
    first: int
    last: int
    ancestor: int

    @property
    def words(self) -> str:
        """One line for people."""
        return f"the docstring of {self.name} was written for #{self.ancestor}, whose code there is another"


@dataclass(frozen=True)
class _Documented:
    text: str
    code: str
    first: int
    last: int


def stale_docstrings(source: str, line: Sequence[tuple[int, str]]) -> list[StaleDocstring]:
    """In order of their places. `line`: (id, source) of first parents upwards, the nearest first.

    A docstring is that of the farthest ancestor that has it in an unbroken line.
    """
    own = _documented(source)
    found = []
    for name, here in own.items():
        oldest: tuple[int, str] | None = None
        for identity, text in line:
            there = _documented(text).get(name)
            if there is None or there.text != here.text:
                break
            oldest = identity, there.code
        if oldest and oldest[1] != here.code:
            found.append(StaleDocstring(name, here.first, here.last, oldest[0]))
    return sorted(found, key=lambda each: each.first)


def stale_in(store: Store, candidate: Candidate) -> list[StaleDocstring]:
    """Those of a candidate with its source, by its first parents."""
    line: list[tuple[int, str]] = []
    member = candidate
    while member.parents and len(line) < GENERATIONS:
        member = store.candidate(member.parents[0])
        line.append((member.id, member.source))
    return stale_docstrings(candidate.source, line)


def marked_lines(found: Sequence[StaleDocstring]) -> list[int]:
    """The numbers of the lines that they stand on, from 1."""
    return [number for each in found for number in range(each.first, each.last + 1)]


def _documented(source: str) -> dict[str, _Documented]:
    """By name; {} where it is no Python."""
    try:
        return dict(_in(gate(source), ""))
    except GenomeError:
        return {}


def _in(node: ast.Module | ast.ClassDef | ast.FunctionDef, name: str) -> Iterator[tuple[str, _Documented]]:
    text = ast.get_docstring(node, clean=False)
    if text is not None:
        place = node.body[0]
        code = "\n".join(ast.dump(statement) for statement in _bare(node).body)
        yield name or "the module", _Documented(text, code, place.lineno, place.end_lineno or place.lineno)
    for inner in node.body:
        if isinstance(inner, ast.ClassDef | ast.FunctionDef):
            yield from _in(inner, f"{name}.{inner.name}" if name else inner.name)


class _Undocumented(ast.NodeTransformer):
    """Without docstrings: a change of one is no change of code."""

    def generic_visit(self, node: ast.AST) -> ast.AST:
        super().generic_visit(node)
        if (
            isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
            and ast.get_docstring(node) is not None
        ):
            node.body = node.body[1:]
        return node


def _bare(node: ast.Module | ast.ClassDef | ast.FunctionDef) -> ast.Module | ast.ClassDef | ast.FunctionDef:
    copy = ast.parse(ast.unparse(node))
    bare = _Undocumented().visit(copy)
    assert isinstance(bare, ast.Module)
    inner = bare.body[0] if not isinstance(node, ast.Module) else bare
    assert isinstance(inner, ast.Module | ast.ClassDef | ast.FunctionDef)
    return inner
