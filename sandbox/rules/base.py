"""What a rule is, and the one pass over a file that all rules read from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cache
from typing import TypeVar, cast

import libcst as cst

from evoarch.sandbox.words import words


@dataclass(frozen=True)
class Rule:
    """`id` stands in every finding. `bad` is a whole file that breaks this rule, `good` one that does not."""

    id: str
    why: str
    bad: str
    good: str


@dataclass(frozen=True)
class Found:
    """A finding before its place is known: `node` is where."""

    node: cst.CSTNode
    rule: Rule
    message: str
    hint: str


Node = TypeVar("Node", bound=cst.CSTNode)

_NAME_FIELDS: Mapping[type[cst.CSTNode], tuple[str, ...]] = {
    cst.Attribute: ("attr",),
    cst.Arg: ("keyword",),
    cst.Param: ("name",),
    cst.FunctionDef: ("name",),
    cst.ClassDef: ("name",),
    cst.NameItem: ("name",),
    cst.MatchKeywordElement: ("key",),
    cst.ImportAlias: ("name", "asname"),
    cst.ImportFrom: ("module",),
}
"""Fields whose name is no variable that is read or written there."""

_LAYOUT = words(
    """
    whitespace lines header footer lpar rpar bracket brace comma semicolon equal colon dot star indent
    operator asynchronous indicator slash
    """
)


@cache
def _parts(kind: type[cst.CSTNode]) -> tuple[str, ...]:
    """The fields of a node class that hold code, not layout."""
    hidden = _NAME_FIELDS.get(kind, ())
    named = [f.name for f in fields(kind) if f.name not in hidden]
    keep = {"star_arg", "star_kwarg"}
    return tuple(name for name in named if name in keep or not any(word in name for word in _LAYOUT))


def children(node: cst.CSTNode) -> list[cst.CSTNode]:
    """The nodes directly below that are code. Much faster than LibCST's own, which also visits layout."""
    found: list[cst.CSTNode] = []
    for name in _parts(type(node)):
        value = getattr(node, name)
        if isinstance(value, cst.CSTNode):
            found.append(value)
        elif isinstance(value, list | tuple):
            found.extend(item for item in value if isinstance(item, cst.CSTNode))
    return found


def below(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    """`node` and all code below it, in the order of the text."""
    todo = [node]
    while todo:
        node = todo.pop()
        yield node
        todo.extend(reversed(children(node)))


def dotted(node: cst.CSTNode) -> str:
    """`a.b.c` as text, or "" for anything but names joined by dots."""
    parts: list[str] = []
    while isinstance(node, cst.Attribute):
        parts.append(node.attr.value)
        node = node.value
    if not isinstance(node, cst.Name):
        return ""
    return ".".join([node.value, *reversed(parts)])


@dataclass
class File:
    """One parsed file, and everything that rules ask of it."""

    source: str
    module: cst.Module
    entry: str
    offers: Mapping[str, object]
    imports: Sequence[str]
    recipe: bool = True
    """Whether a RECIPE may stand in it."""
    nodes: dict[type[cst.CSTNode], list[cst.CSTNode]] = field(default_factory=dict)
    identifiers: list[cst.Name] = field(default_factory=list)
    """Every name of every kind: variables, attributes, keywords, parameters."""
    aliases: dict[str, str] = field(default_factory=dict)
    """What each imported name stands for, as a dotted path."""
    classes: dict[str, cst.ClassDef] = field(default_factory=dict)
    """Top-level classes by name."""
    prose: set[cst.CSTNode] = field(default_factory=set)
    """Strings that stand alone, as docstrings do."""

    def __post_init__(self) -> None:
        for node in below(self.module):
            self.nodes.setdefault(type(node), []).append(node)
            for name in _NAME_FIELDS.get(type(node), ()):
                value = getattr(node, name)
                if isinstance(value, cst.Name):
                    self.identifiers.append(value)
        self.identifiers.extend(self.all(cst.Name))
        self._read_imports()
        for statement in self.module.body:
            if isinstance(statement, cst.ClassDef):
                self.classes[statement.name.value] = statement
        for expression in self.all(cst.Expr):
            if isinstance(expression.value, cst.SimpleString | cst.ConcatenatedString):
                self.prose.update(below(expression.value))

    def all(self, kind: type[Node]) -> list[Node]:
        """All nodes of exactly this class, in the order of the text."""
        return cast("list[Node]", self.nodes.get(kind, []))

    def _read_imports(self) -> None:
        for statement in self.all(cst.Import):
            for alias in statement.names:
                path = dotted(alias.name)
                if alias.asname:
                    self.aliases[dotted(alias.asname.name)] = path
                else:
                    root = path.partition(".")[0]
                    self.aliases[root] = root
        for line in self.all(cst.ImportFrom):
            if isinstance(line.names, cst.ImportStar) or line.relative or line.module is None:
                continue
            for alias in line.names:
                name = dotted(alias.asname.name) if alias.asname else dotted(alias.name)
                self.aliases[name] = f"{dotted(line.module)}.{dotted(alias.name)}"

    def path(self, node: cst.CSTNode) -> str:
        """The dotted path that `node` means, through the file's imports; "" where it is no imported name."""
        root, _, rest = dotted(node).partition(".")
        known = self.aliases.get(root)
        if known is None:
            return ""
        return f"{known}.{rest}" if rest else known
