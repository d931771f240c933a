"""A model file taken apart as text: its imports, its entry, and the helpers that the entry may name."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from evoarch.sandbox.parsing import gate

RECIPE = "RECIPE"
"""The one top-level name that a file keeps although its entry never names it."""


@dataclass(frozen=True)
class Outline:
    """`imports` and `helpers` (name to text, in file order) stand around the entry's own text.

    `entries`: of several files together, the text of each one's entry.
    """

    imports: tuple[str, ...] = ()
    helpers: Mapping[str, str] = field(default_factory=dict)
    entry: str = ""
    entries: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """Everything but the imports, as it stands under its metrics in a prompt."""
        return "\n\n\n".join([*self.helpers.values(), self.entry]).strip("\n")


def outline(source: str, entry: str) -> Outline:
    """Take `source` apart. Raises sandbox.genome.GenomeError for text that is no Python file."""
    tree = gate(source)
    lines = source.split("\n")
    imports: list[str] = []
    helpers: dict[str, str] = {}
    body: list[str] = []
    for node in tree.body:
        text = _text(node, lines)
        if isinstance(node, ast.Import | ast.ImportFrom):
            imports.append(text)
        elif entry in _bound(node):
            body.append(text)
        else:
            for name in _bound(node)[:1]:
                helpers[name] = text
    return Outline(tuple(imports), helpers, "\n\n\n".join(body))


def definitions(source: str, entry: str) -> int:
    """How often `entry` is bound at the top level of a file that parses."""
    return sum(entry in _bound(node) for node in gate(source).body)


def merged(outlines: Sequence[Outline]) -> Outline:
    """The imports and helpers of all, each once; where two helpers share a name, the first one's stands."""
    imports = dict.fromkeys(line for each in outlines for line in each.imports)
    helpers: dict[str, str] = {}
    for each in outlines:
        for name, text in each.helpers.items():
            helpers.setdefault(name, text)
    return Outline(_ordered(imports), helpers, entries=tuple(each.entry for each in outlines))


def assemble(around: Outline, text: str) -> str:
    """`text` (statements that parse) under the imports of `around` and those helpers that it names.

    Its own imports join them, each once.
    """
    own = {name for node in gate(text).body for name in _bound(node)}
    wanted = names_in(text) | {RECIPE}
    found: set[str] = set()
    while new := {name for name in around.helpers if name in wanted - found - own}:
        found |= new
        for name in new:
            wanted |= names_in(around.helpers[name])
    helpers = [text_ for name, text_ in around.helpers.items() if name in found]
    imports, rest = _without_imports(text)
    head = "\n".join(_ordered([*around.imports, *imports]))
    return "\n\n\n".join(part for part in [head, *helpers, rest.strip("\n")] if part) + "\n"


def _ordered(imports: Iterable[str]) -> tuple[str, ...]:
    """Each once, those from `__future__` first: Python takes them only before all others."""
    return tuple(sorted(dict.fromkeys(imports), key=lambda line: line.split()[:2] != ["from", "__future__"]))


def _without_imports(text: str) -> tuple[list[str], str]:
    """The lines of `text` that import at its top level, and the others: helpers stand between them."""
    spans = dict[tuple[int, int], bool]()
    for node in gate(text).body:
        place = node.lineno, node.end_lineno or node.lineno
        future = isinstance(node, ast.ImportFrom) and node.module == "__future__"
        spans[place] = future or (isinstance(node, ast.Import | ast.ImportFrom) and spans.get(place, True))
    lines = text.split("\n")
    found = sorted(place for place, only in spans.items() if only)
    imports = ["\n".join(lines[first - 1 : last]) for first, last in found]
    for first, last in reversed(found):
        del lines[first - 1 : last]
    return imports, "\n".join(lines)


def header(source: str, entry: str, offers: Sequence[str] = ()) -> str:
    """The entry's head, to be completed: a class up to `super().__init__()`, without a newline at its end.

    A function's head ends at its colon. With no such entry in `source` the head is a class that takes
    `offers` by name.
    """
    for node in gate(source).body:
        if isinstance(node, ast.ClassDef) and node.name == entry:
            return _class_header(node, offers)
        if isinstance(node, ast.FunctionDef) and node.name == entry:
            return f"def {entry}({ast.unparse(node.args)}):"
    return _class_head(f"class {entry}(nn.Module):", ", ".join(["self", *offers]))


def _class_header(node: ast.ClassDef, offers: Sequence[str]) -> str:
    bases = ", ".join(ast.unparse(base) for base in node.bases)
    head = f"class {node.name}({bases}):" if bases else f"class {node.name}:"
    for member in node.body:
        if isinstance(member, ast.FunctionDef) and member.name == "__init__":
            return _class_head(head, ast.unparse(member.args))
    return _class_head(head, ", ".join(["self", *offers]))


def _class_head(head: str, arguments: str) -> str:
    return f"{head}\n    def __init__({arguments}):\n        super().__init__()"


def _text(node: ast.stmt, lines: Sequence[str]) -> str:
    first = min([node.lineno, *(each.lineno for each in getattr(node, "decorator_list", []))])
    return "\n".join(lines[first - 1 : node.end_lineno])


def _bound(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.ClassDef | ast.FunctionDef):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    return [target.id for target in targets if isinstance(target, ast.Name)]


def names_in(text: str) -> set[str]:
    """The names that `text` uses or binds."""
    return {node.id for node in ast.walk(gate(text)) if isinstance(node, ast.Name)}
