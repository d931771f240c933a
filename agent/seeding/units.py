"""A file as its top-level statements: what each binds, what it reads, and which lines it stands on."""

from __future__ import annotations

import ast
import symtable
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import libcst as cst

from evoarch.agent.seeding.texts import lines_of
from evoarch.sandbox.parsing import parse
from evoarch.sandbox.rules.base import dotted


@dataclass(frozen=True)
class Imported:
    """One name that an import binds. `module` is as written (`level` dots before it); `name` is "" where
    the module itself is bound, under `bound` (its first part where there is no `as`)."""

    module: str
    level: int
    name: str
    bound: str
    aliased: bool
    line: int


@dataclass(frozen=True)
class Unit:
    """One top-level statement. Lines count from 1 and are inclusive; `start` takes in the comments above.

    `kind`: import, class, function, assign, prose, or work (anything else). `text` ends with a newline.
    """

    kind: str
    names: tuple[str, ...]
    text: str
    start: int
    line: int
    end: int
    node: cst.BaseStatement | cst.BaseCompoundStatement
    imports: tuple[Imported, ...] = ()
    stars: tuple[Imported, ...] = ()
    reads: frozenset[str] = frozenset()


@lru_cache(maxsize=128)
def units_of(text: str) -> tuple[Unit, ...]:
    """The top-level statements of a file in order. Raises GenomeError for text that is no Python."""
    return tuple(_split(parse(text)))


def _split(module: cst.Module) -> Iterator[Unit]:
    line = sum(1 for _ in module.header) + 1
    for node in module.body:
        code = module.code_for_node(node)
        blank = 0
        for leading in node.leading_lines:
            if leading.comment is not None:
                break
            blank += 1
        comments = len(node.leading_lines) - blank
        length = code.count("\n")
        text = "".join(lines_of(code)[blank:])
        start = line + blank
        yield _unit(node, text, start, start + comments, line + length - 1)
        line += length


def _unit(
    node: cst.BaseStatement | cst.BaseCompoundStatement, text: str, start: int, line: int, end: int
) -> Unit:
    def made(kind: str, names: tuple[str, ...] = (), **more: tuple[Imported, ...]) -> Unit:
        return Unit(kind, names, text, start, line, end, node, **more, reads=reads(text))

    if isinstance(node, cst.ClassDef | cst.FunctionDef):
        return made("class" if isinstance(node, cst.ClassDef) else "function", (node.name.value,))
    if not isinstance(node, cst.SimpleStatementLine):
        return made("work", _bound(text))
    imports = tuple(i for small in node.body for i in imported(small, line))
    if imports:
        stars = tuple(i for i in imports if i.name == "*")
        plain = tuple(i for i in imports if i.name != "*")
        return made("import", tuple(i.bound for i in plain), imports=plain, stars=stars)
    if all(isinstance(small, cst.Expr) and isinstance(small.value, cst.BaseString) for small in node.body):
        return made("prose")
    if all(isinstance(small, cst.Pass) for small in node.body):
        return made("prose")
    if all(_binds_names(small) for small in node.body):
        return made("assign", _bound(text))
    return made("work", _bound(text))


def imported(node: cst.CSTNode, line: int) -> tuple[Imported, ...]:
    """What an import statement binds, () for any other node; a star import has the name `*`."""
    found: list[Imported] = []
    if isinstance(node, cst.Import):
        for alias in node.names:
            path = dotted(alias.name)
            bound = dotted(alias.asname.name) if alias.asname else path.partition(".")[0]
            found.append(Imported(path, 0, "", bound, alias.asname is not None, line))
    elif isinstance(node, cst.ImportFrom):
        module = dotted(node.module) if node.module else ""
        level = len(node.relative)
        if isinstance(node.names, cst.ImportStar):
            return (Imported(module, level, "*", "*", False, line),)
        for alias in node.names:
            name = dotted(alias.name)
            bound = dotted(alias.asname.name) if alias.asname else name
            found.append(Imported(module, level, name, bound, alias.asname is not None, line))
    return tuple(found)


def _binds_names(small: cst.BaseSmallStatement) -> bool:
    if isinstance(small, cst.Assign):
        return all(_is_names(target.target) for target in small.targets)
    return isinstance(small, cst.AnnAssign | cst.AugAssign) and isinstance(small.target, cst.Name)


def _is_names(target: cst.CSTNode) -> bool:
    if isinstance(target, cst.Tuple | cst.List):
        return all(_is_names(element.value) for element in target.elements)
    return isinstance(target, cst.Name)


def _bound(text: str) -> tuple[str, ...]:
    """Names that a statement binds at the top level, in order."""
    table = symtable.symtable(text, "<unit>", "exec")
    return tuple(s.get_name() for s in table.get_symbols() if s.is_assigned() or s.is_imported())


def reads(text: str) -> frozenset[str]:
    """Names that a top-level statement takes from the module's scope or the builtins."""
    found: set[str] = set()

    def walk(table: symtable.SymbolTable, top: bool) -> None:
        for symbol in table.get_symbols():
            if symbol.is_referenced() and (top or symbol.is_global()):
                found.add(symbol.get_name())
        for child in table.get_children():
            walk(child, False)

    walk(symtable.symtable(text, "<unit>", "exec"), True)
    # Annotations are in no scope under `from __future__ import annotations` or from Python 3.14 on.
    for node in ast.walk(ast.parse(text)):
        annotation = getattr(node, "annotation", None) or getattr(node, "returns", None)
        if annotation is not None:
            found |= {name.id for name in ast.walk(annotation) if isinstance(name, ast.Name)}
    return frozenset(found)
