"""A view of a model file that operators edit: its layers, where they are defined, and where they are called.

Everything works on any Python that parses; what isn't recognised is simply not listed.
"""

from __future__ import annotations

import ast
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field
from functools import cache, lru_cache

import libcst as cst

from evoarch.agent.operators.syntactic.vocabulary import FUNCTIONALS, HELPERS, SPECS, Spec, expression
from evoarch.agent.operators.syntactic.walking import walk
from evoarch.sandbox.canonical_scopes import all_nodes, shape
from evoarch.sandbox.parsing import parse

_IMPORTS: Mapping[str, str] = {
    "nn": "from torch import nn",
    "F": "import torch.nn.functional as F",
    "torch": "import torch",
    "math": "import math",
}


@dataclass(frozen=True)
class Layer:
    """One constructor call of a known layer. `owner` is the class or function that holds it; `attribute` is
    set where the whole statement is `self.attribute = call`; `container` is the nn.Sequential call whose
    item `index` it is."""

    call: cst.Call
    name: str
    owner: str
    attribute: str = ""
    container: cst.Call | None = None
    index: int = 0

    @property
    def spec(self) -> Spec:
        """What the vocabulary says of its kind."""
        return SPECS[self.name]

    def text(self, parameter: str) -> str:
        """The source of an argument, "" if it isn't given."""
        found = argument(self.call, self.spec.parameters, parameter)
        return code(found.value) if found else ""

    def number(self, parameter: str) -> int | None:
        """The value of an argument that is an integer literal."""
        found = argument(self.call, self.spec.parameters, parameter)
        value = literal(found.value) if found else None
        return value if isinstance(value, int) else None

    def with_argument(self, parameter: str, value: object) -> cst.Call:
        """Its call with another value of `parameter`."""
        return with_argument(self.call, self.spec.parameters, parameter, value)


@dataclass(frozen=True)
class Definition:
    """`self.attribute = value` in `owner`; `statement` is its line where it stands alone on it."""

    owner: str
    attribute: str
    value: cst.BaseExpression
    statement: cst.SimpleStatementLine | None


@dataclass
class View:
    """What a model file consists of, in source order."""

    module: cst.Module
    layers: list[Layer] = field(default_factory=list)
    definitions: defaultdict[tuple[str, str], list[Definition]] = field(
        default_factory=lambda: defaultdict(list)
    )
    uses: defaultdict[tuple[str, str], list[cst.Call]] = field(default_factory=lambda: defaultdict(list))
    mentions: Counter[tuple[str, str]] = field(default_factory=Counter)
    functionals: list[cst.Call] = field(default_factory=list)
    containers: list[tuple[str, cst.Call]] = field(default_factory=list)
    calls: list[tuple[str, cst.Call]] = field(default_factory=list)
    unpacked: defaultdict[tuple[str, str], list[tuple[cst.SimpleStatementLine, str]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    """Lines `x, ... = self.attribute(...)`, with the name x."""
    classes: dict[str, cst.ClassDef] = field(default_factory=dict)
    functions: dict[tuple[str, str], cst.FunctionDef] = field(default_factory=dict)

    def wrappable(self, owner: str, attribute: str) -> list[cst.Call]:
        """The calls `self.attribute(x)` if that is all that happens to it after one definition, else []."""
        key = (owner, attribute)
        uses = self.uses.get(key, [])
        single = all(len(use.args) == 1 and not use.args[0].star and not use.args[0].keyword for use in uses)
        defined = self.definitions.get(key, [])
        if not uses or not single or len(defined) != 1 or defined[0].statement is None:
            return []
        return uses if self.mentions[key] == len(uses) + 1 else []


class _Collector(cst.CSTVisitor):
    def __init__(self, view: View) -> None:
        self.view = view
        self.classes: list[str] = []
        self.functions: list[str] = []
        self.line: cst.SimpleStatementLine | None = None
        self.attributes: dict[cst.CSTNode, str] = {}
        self.items: dict[cst.CSTNode, tuple[cst.Call, int]] = {}

    @property
    def owner(self) -> str:
        return self.classes[-1] if self.classes else self.functions[0] if self.functions else ""

    def visit_ClassDef(self, node: cst.ClassDef) -> None:  # noqa: N802
        self.classes.append(node.name.value)
        self.view.classes[node.name.value] = node

    def leave_ClassDef(self, original_node: cst.ClassDef) -> None:  # noqa: N802
        self.classes.pop()

    def visit_FunctionDef(self, node: cst.FunctionDef) -> None:  # noqa: N802
        self.view.functions[self.classes[-1] if self.classes else "", node.name.value] = node
        self.functions.append(node.name.value)

    def leave_FunctionDef(self, original_node: cst.FunctionDef) -> None:  # noqa: N802
        self.functions.pop()

    def visit_SimpleStatementLine(self, node: cst.SimpleStatementLine) -> None:  # noqa: N802
        self.line = node if len(node.body) == 1 else None

    def visit_Assign(self, node: cst.Assign) -> None:  # noqa: N802
        attribute = self_attribute(node.targets[0].target)
        if attribute and len(node.targets) == 1:
            self._define(attribute, node.value)
        target, called = node.targets[0].target, self_attribute(getattr(node.value, "func", node))
        if isinstance(target, cst.Tuple) and target.elements and called and self.line is not None:
            name = target.elements[0].value
            if isinstance(name, cst.Name):
                self.view.unpacked[self.owner, called].append((self.line, name.value))

    def visit_AnnAssign(self, node: cst.AnnAssign) -> None:  # noqa: N802
        attribute = self_attribute(node.target)
        if attribute and node.value is not None:
            self._define(attribute, node.value)

    def _define(self, attribute: str, value: cst.BaseExpression) -> None:
        found = Definition(self.owner, attribute, value, self.line)
        self.view.definitions[self.owner, attribute].append(found)
        self.attributes[value] = attribute

    def visit_Attribute(self, node: cst.Attribute) -> None:  # noqa: N802
        attribute = self_attribute(node)
        if attribute:
            self.view.mentions[self.owner, attribute] += 1

    def visit_Call(self, node: cst.Call) -> None:  # noqa: N802
        view, name = self.view, layer_name(node, self.view)
        view.calls.append((self.owner, node))
        attribute = self_attribute(node.func)
        if attribute:
            view.uses[self.owner, attribute].append(node)
        if name == "Sequential":
            view.containers.append((self.owner, node))
            if all(not arg.star and not arg.keyword for arg in node.args):
                self.items.update({arg.value: (node, index) for index, arg in enumerate(node.args)})
        elif name in SPECS:
            container, index = self.items.get(node, (None, 0))
            known = self.attributes.get(node, "")
            view.layers.append(Layer(node, name, self.owner, known, container, index))
        elif functional_name(node) in FUNCTIONALS:
            view.functionals.append(node)


@lru_cache(maxsize=16)
def look(source: str) -> View:
    """Reads a model file. Raises sandbox.genome.GenomeError where it is no Python file.

    The views of the last few files are kept, since a parent has many children: callers only read them.
    """
    module = parse(source)
    view = View(module)
    for statement in module.body:
        if isinstance(statement, cst.ClassDef):
            view.classes[statement.name.value] = statement
    walk(module, _Collector(view))
    for found in (view.definitions, view.uses, view.unpacked):
        found.default_factory = None  # a look at a missing key must not add it for the next caller
    return view


def code(node: cst.CSTNode) -> str:
    """The text of a node."""
    return cst.Module([]).code_for_node(node).strip()


def dotted(node: cst.CSTNode) -> str:
    """`a.b.c` of names and attributes, "" for anything else."""
    if isinstance(node, cst.Name):
        return node.value
    if isinstance(node, cst.Attribute):
        base = dotted(node.value)
        return f"{base}.{node.attr.value}" if base else ""
    return ""


def self_attribute(node: cst.CSTNode) -> str:
    """`x` for the expression `self.x`, else ""."""
    matches = isinstance(node, cst.Attribute) and isinstance(node.value, cst.Name)
    return node.attr.value if matches and node.value.value == "self" else ""  # type: ignore[attr-defined]


def layer_name(call: cst.Call, view: View) -> str:
    """The torch.nn class that a call names, "" if it names none."""
    name = dotted(call.func)
    prefix, _, last = name.rpartition(".")
    if prefix in ("nn", "torch.nn"):
        return last
    known = last in SPECS or last in ("Sequential", "ModuleList")
    return last if not prefix and known and last not in view.classes else ""


def functional_name(call: cst.Call) -> str:
    """`relu` for F.relu(x), torch.relu(x), nn.functional.relu(x) and x.relu(), "" for anything else."""
    if not isinstance(call.func, cst.Attribute):
        return ""
    base, name = dotted(call.func.value), call.func.attr.value
    if base in ("F", "torch", "nn.functional", "torch.nn.functional"):
        return name if call.args else ""
    return name if not call.args and name in ("relu", "tanh", "sigmoid") and base != "self" else ""


def literal(node: cst.CSTNode) -> int | float | None:
    """The value of a number literal, None for anything else."""
    if isinstance(node, cst.Integer | cst.Float):
        return node.evaluated_value
    return None


def argument(call: cst.Call, parameters: tuple[str, ...], name: str) -> cst.Arg | None:
    """The argument that a call gives for a parameter, by position or keyword."""
    position = 0
    for arg in call.args:
        if arg.star:
            return None
        if arg.keyword is not None:
            if arg.keyword.value == name:
                return arg
            continue
        if position < len(parameters) and parameters[position] == name:
            return arg
        position += 1
    return None


def with_argument(call: cst.Call, parameters: tuple[str, ...], name: str, value: object) -> cst.Call:
    """The call with one argument set to a literal or source text; added by keyword where it wasn't given."""
    node = expression(str(value))
    found = argument(call, parameters, name)
    if found is not None:
        args = [arg.with_changes(value=node) if arg is found else arg for arg in call.args]
    else:
        equal = cst.AssignEqual(cst.SimpleWhitespace(""), cst.SimpleWhitespace(""))
        args = [*_closed(call.args), cst.Arg(node, keyword=cst.Name(name), equal=equal)]
    return call.with_changes(args=args)


def without_argument(call: cst.Call, arg: cst.Arg) -> cst.Call:
    """`call` without one of its arguments."""
    args = [other for other in call.args if other is not arg]
    if args and args[-1] is call.args[-2 if call.args[-1] is arg else -1]:
        args[-1] = args[-1].with_changes(comma=arg.comma if call.args[-1] is arg else args[-1].comma)
    return call.with_changes(args=args)


def _closed(args: Iterable[cst.Arg]) -> list[cst.Arg]:
    """Arguments with a comma after the last, so that another may follow."""
    return [
        arg.with_changes(comma=cst.Comma(whitespace_after=cst.SimpleWhitespace(" ")))
        if isinstance(arg.comma, cst.MaybeSentinel)
        else arg
        for arg in args
    ]


def with_items(call: cst.Call, items: Iterable[cst.BaseExpression]) -> cst.Call:
    """A container call with other items, one to a line where it stood so before."""
    between: cst.BaseParenthesizableWhitespace = cst.SimpleWhitespace(" ")
    for arg in call.args[:-1]:
        if isinstance(arg.comma, cst.Comma):
            between = arg.comma.whitespace_after
            break
    known = {arg.value: arg for arg in call.args}
    args = [known.get(item, cst.Arg(item)) for item in items]
    comma = cst.Comma(whitespace_after=between)
    args = [arg.with_changes(comma=comma) for arg in args]
    if args:
        last = call.args[-1] if call.args else cst.Arg(cst.Name("x"))
        args[-1] = args[-1].with_changes(comma=last.comma, whitespace_after_arg=last.whitespace_after_arg)
    return call.with_changes(args=args)


def line_of(text: str) -> cst.SimpleStatementLine:
    """`text` as a statement line."""
    statement = cst.parse_statement(text)
    assert isinstance(statement, cst.SimpleStatementLine)
    return statement


def bound_names(module: cst.Module) -> set[str]:
    """Names that the top level of a file binds: imports, classes, functions, assignments."""
    return _bound(ast.parse(module.code))


def _bound(tree: ast.Module) -> set[str]:
    names: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            names |= {alias.asname or alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ClassDef | ast.FunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names |= {
                name.id for target in node.targets for name in ast.walk(target) if isinstance(name, ast.Name)
            }
    return names


def _used(tree: ast.Module) -> set[str]:
    """All names that a source reads or binds."""
    return {node.id for node in all_nodes(tree) if isinstance(node, ast.Name)}


@cache
def _helper(name: str) -> tuple[str, Set[str]]:
    """A helper's text and the names that it uses."""
    text = HELPERS[name].strip()
    return text, _used(ast.parse(text))


def completed(module: cst.Module) -> str:
    """The source with the helper classes and imports that it uses and doesn't yet have."""
    return completed_text(module.code)


def completed_text(source: str) -> str:
    """The same for a source that was never read into a tree."""
    tree = ast.parse(source)
    bound, used = _bound(tree), _used(tree)
    helpers = [_helper(name) for name in HELPERS if name in used - bound]
    used = used.union(*(names for _, names in helpers))
    wanted = [_IMPORTS[name] for name in ("torch", "F", "nn", "math") if name in used - bound]
    if not helpers and not wanted:
        return source
    imports = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    start = tree.body[0] if tree.body else None
    documented = isinstance(start, ast.Expr) and isinstance(start.value, ast.Constant)
    # Where Python ends a line: splitlines ends one at a form feed too.
    lines = re.split("\r\n?|\n", source.removesuffix("\n"))
    first = tree.body[0].end_lineno if start is not None and documented else 0
    after = max([node.end_lineno or 0 for node in imports] or [first or 0])
    middle = [*wanted, *(line for text, _ in helpers for line in ["", "", *text.splitlines()])]
    tail = lines[after:]
    if helpers:
        while tail and not tail[0].strip():
            tail.pop(0)
        tail = ["", "", *tail]
    return "\n".join([*lines[:after], *middle, *tail]) + "\n"


@lru_cache(maxsize=64)
def meaning(source: str) -> object:
    """What two files share if they are the same program but for comments and layout. Can be hashed."""
    return shape(ast.parse(source))


def same(one: str, other: str) -> bool:
    """Whether two files are the same program but for comments and layout."""
    return meaning(one) == meaning(other)
