"""A file as its top-level statements: what each binds, what it reads, and which lines it stands on."""

from __future__ import annotations

import ast
import symtable
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import libcst as cst

from evoarch.agent.base.errors import UserError
from evoarch.sandbox.parsing import GenomeError, parse
from evoarch.sandbox.rules.base import below, dotted


class SeedError(UserError):
    """What keeps a model file from becoming a seed: one line with file and line."""

    def __init__(self, place: str, line: int, message: str) -> None:
        super().__init__(f"{place}:{line}: {message}", code=1)


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

    `kind`: import, class, function, assign, guarded (an if or try that only binds), typing (under
    TYPE_CHECKING), prose, main, or work (runs at import). `text` ends with a newline.
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
    inner: tuple[Imported, ...] = ()
    """Imports inside a function or class body."""
    reads: frozenset[str] = frozenset()

    @property
    def defines(self) -> bool:
        """Whether it defines a class or a function."""
        return self.kind in ("class", "function")


@dataclass(frozen=True)
class Source:
    """A parsed file. `place` is its path as messages show it."""

    path: Path
    place: str
    text: str
    units: tuple[Unit, ...]
    identifiers: frozenset[str] = field(repr=False, default=frozenset())

    def binding(self, name: str) -> list[Unit]:
        """The statements that bind `name`, in order."""
        return [unit for unit in self.units if name in unit.names]

    @property
    def future(self) -> bool:
        """Whether the file imports from __future__."""
        return any(i.module == "__future__" for unit in self.units for i in unit.imports)


def read_source(path: Path, place: str) -> Source:
    """Reads and parses a file. Raises SeedError for text that is no Python."""
    try:
        text = path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise SeedError(place, 1, f"expected UTF-8 text, got byte {error.object[error.start]:#x}") from None
    except OSError as error:
        raise SeedError(place, 1, f"can't be read: {error.strerror}") from None
    try:
        units = units_of(text)
    except GenomeError as error:
        raise SeedError(place, error.line, error.message) from None
    names = frozenset(node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name))
    return Source(path, place, text, units, names)


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
        text = "".join(code.splitlines(keepends=True)[blank:])
        start = line + blank
        yield _unit(node, text, start, start + comments, line + length - 1)
        line += length


def _unit(
    node: cst.BaseStatement | cst.BaseCompoundStatement, text: str, start: int, line: int, end: int
) -> Unit:
    def made(kind: str, names: tuple[str, ...] = (), **more: tuple[Imported, ...]) -> Unit:
        inner = more.pop("inner", ())
        return Unit(kind, names, text, start, line, end, node, **more, inner=inner, reads=reads(text))

    if isinstance(node, cst.ClassDef | cst.FunctionDef):
        kind = "class" if isinstance(node, cst.ClassDef) else "function"
        inner = tuple(i for child in below(node) for i in imported(child, line))
        return made(kind, (node.name.value,), inner=inner)
    if isinstance(node, cst.If):
        test = dotted(node.test)
        if test in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            return made("typing", _bound(text))
        if "__name__" in {n.value for n in below(node.test) if isinstance(n, cst.Name)}:
            return made("main")
    if isinstance(node, cst.If | cst.Try):
        return made("guarded" if _only_binds(node) else "work", _bound(text))
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


def _only_binds(node: cst.BaseCompoundStatement) -> bool:
    """Whether an if or try does nothing but import, assign, define and raise."""
    calm = (cst.Import, cst.ImportFrom, cst.Pass, cst.Raise)
    for statement in below(node):
        if isinstance(statement, cst.For | cst.While | cst.With | cst.Del | cst.Assert):
            return False
        if isinstance(statement, cst.BaseSmallStatement) and not (
            isinstance(statement, calm) or _binds_names(statement)
        ):
            return False
    return True


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


def string_list(unit: Unit) -> list[str] | None:
    """The value of `__all__ = [...]`, None where it is anything but a list of strings."""
    statement = ast.parse(unit.text).body[0]
    try:
        value = ast.literal_eval(getattr(statement, "value", None))  # type: ignore[arg-type]
    except (ValueError, TypeError):
        return None
    return [str(item) for item in value] if isinstance(value, list | tuple) else None
