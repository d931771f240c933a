"""Which name means which variable: Python's scope rules over Python's own tree.

LibCST's scope metadata leaves out match patterns and is too slow to run on every child; the rules are few,
and a resolver that lists every place of a variable is what renaming needs.
"""

# ruff: noqa: N815 (ast.NodeVisitor names its methods so)
from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache

FUNCTION = ast.FunctionDef | ast.AsyncFunctionDef
COMPREHENSION = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp


@dataclass(frozen=True)
class Site:
    """One place where a name stands: a field of a node, or one item of a list field."""

    node: ast.AST
    field: str
    index: int | None = None
    order: int = 0

    def write(self, name: str) -> None:
        if self.index is None:
            setattr(self.node, self.field, name)
        else:
            getattr(self.node, self.field)[self.index] = name


@dataclass(eq=False)
class Variable:
    """A name in the scope that binds it. `kinds`: what binds it (param, import, def, class, store, del)."""

    scope: Scope
    name: str
    kinds: list[str] = field(default_factory=list)
    sites: list[Site] = field(default_factory=list)
    loads: list[ast.Name] = field(default_factory=list)
    nodes: list[ast.AST] = field(default_factory=list)
    """What binds it: a statement for def, class and import, an `arg` for a parameter."""
    ambiguous: bool = False
    """Which variable a place means depends on the run: a class body's name that is also bound outside."""


@dataclass(eq=False)
class Scope:
    """`kind`: module, class, function (also lambdas) or comprehension."""

    kind: str
    node: ast.AST
    parent: Scope | None = None
    variables: dict[str, Variable] = field(default_factory=dict)
    outer: dict[str, str] = field(default_factory=dict)
    """Names declared `global` or `nonlocal` here."""

    def bind(self, name: str) -> Variable:
        return self.variables.setdefault(name, Variable(self, name))


class Scopes(ast.NodeVisitor):
    """All variables of a tree. `free` are names that the file does not bind (builtins, mistakes)."""

    def __init__(self, tree: ast.Module) -> None:
        self.module = Scope("module", tree)
        self.variables: list[Variable] = []
        self.of: dict[ast.AST, Variable] = {}
        self.attributes: list[tuple[ast.Attribute, Scope, int]] = []
        self.scope_of: dict[ast.AST, Scope] = {}
        self.free: set[str] = set()
        self._scope = self.module
        self._uses: list[tuple[Scope, str, Site, str, ast.AST]] = []
        self._order = 0
        for statement in tree.body:
            self.visit(statement)
        self._resolve()

    def visit(self, node: ast.AST) -> None:
        """As ast.NodeVisitor has it, without a look for the method at each node."""
        method = _method(type(node))  # type: ignore[arg-type] # by the stubs no class of nodes can be hashed
        if method is None:
            self.generic_visit(node)
        else:
            method(self, node)

    def generic_visit(self, node: ast.AST) -> None:
        for child in child_nodes(node):
            self.visit(child)

    # What binds and what reads

    def _use(self, name: str, kind: str, node: ast.AST, place: str, index: int | None = None) -> None:
        scope = self._scope
        if kind == "walrus":  # binds in the function around the comprehension
            while scope.kind == "comprehension" and scope.parent is not None:
                scope = scope.parent
            kind = "store"
        self._order += 1
        if kind not in ("load", "declare") and name not in scope.outer:
            scope.bind(name)
        self._uses.append((scope, name, Site(node, place, index, self._order), kind, node))

    def visit_Name(self, node: ast.Name) -> None:
        kind = {ast.Load: "load", ast.Store: "store", ast.Del: "del"}[type(node.ctx)]
        self._use(node.id, kind, node, "id")

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        self.visit(node.value)
        self._use(node.target.id, "walrus", node.target, "id")

    def visit_Global(self, node: ast.Global | ast.Nonlocal) -> None:
        for index, name in enumerate(node.names):
            self._use(name, "declare", node, "names", index)

    visit_Nonlocal = visit_Global

    def visit_Import(self, node: ast.Import | ast.ImportFrom) -> None:
        for alias in node.names:
            name = alias.asname or alias.name.partition(".")[0]
            self._use(name, "import", alias, "asname" if alias.asname else "name")

    visit_ImportFrom = visit_Import

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        if node.type:
            self.visit(node.type)
        if node.name:
            self._use(node.name, "store", node, "name")
        self._all(node.body)

    def visit_MatchAs(self, node: ast.MatchAs | ast.MatchStar) -> None:
        if node.name:
            self._use(node.name, "store", node, "name")
        self.generic_visit(node)

    visit_MatchStar = visit_MatchAs

    def visit_MatchMapping(self, node: ast.MatchMapping) -> None:
        self.generic_visit(node)
        if node.rest:
            self._use(node.rest, "store", node, "rest")

    def visit_Attribute(self, node: ast.Attribute) -> None:
        self.visit(node.value)
        self._order += 1
        self.attributes.append((node, self._scope, self._order))

    # What opens a scope

    def _all(self, nodes: list[ast.stmt] | list[ast.expr]) -> None:
        for node in nodes:
            self.visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self._all(node.decorator_list)
        self._use(node.name, "def", node, "name")
        annotations = [arg.annotation for arg in arguments(node.args) if arg.annotation]
        self._all([*annotations, *([node.returns] if node.returns else [])])
        self._function(node, node.args, node.body)

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self._function(node, node.args, [node.body])

    def _function(self, node: ast.AST, args: ast.arguments, body: list[ast.stmt] | list[ast.expr]) -> None:
        self._all(args.defaults)
        self._all([default for default in args.kw_defaults if default])
        with_parent = self._scope
        self._open("function", node, body)
        for arg in arguments(args):
            self._use(arg.arg, "param", arg, "arg")
        self._all(body)
        self._scope = with_parent

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._all(node.decorator_list)
        self._use(node.name, "class", node, "name")
        self._all(node.bases)
        self._all([keyword.value for keyword in node.keywords])
        outside = self._scope
        self._open("class", node, node.body)
        self._all(node.body)
        self._scope = outside

    def visit_ListComp(self, node: COMPREHENSION) -> None:
        outside = self._scope
        first, *others = node.generators
        self.visit(first.iter)
        self._open("comprehension", node, [])
        self.visit(first.target)
        self._all(first.ifs)
        for generator in others:
            self.visit(generator)
        for result in ("key", "value", "elt"):
            if hasattr(node, result):
                self.visit(getattr(node, result))
        self._scope = outside

    visit_SetComp = visit_DictComp = visit_GeneratorExp = visit_ListComp

    def _open(self, kind: str, node: ast.AST, body: list[ast.stmt] | list[ast.expr]) -> None:
        self._scope = Scope(kind, node, self._scope)
        self.scope_of[node] = self._scope
        for statement in body:
            for inner in own_nodes(statement):
                if isinstance(inner, ast.Global | ast.Nonlocal):
                    how = "global" if isinstance(inner, ast.Global) else "nonlocal"
                    self._scope.outer.update(dict.fromkeys(inner.names, how))

    # Which variable each place means

    def _resolve(self) -> None:
        for scope, name, site, kind, node in self._uses:
            variable = self._find(scope, name, kind)
            if variable is None:
                self.free.add(name)
                continue
            variable.sites.append(site)
            self.of[node] = variable
            if kind == "load":
                assert isinstance(node, ast.Name)
                variable.loads.append(node)
            else:
                variable.kinds.append(kind)
                variable.nodes.append(node)
        found = {id(variable): variable for variable in self.of.values()}
        self.variables = list(found.values())

    def _find(self, scope: Scope, name: str, kind: str) -> Variable | None:
        how = scope.outer.get(name)
        if how == "global":
            return self.module.bind(name)
        own = None if how else scope.variables.get(name)
        if own is not None and scope.kind != "class":
            return own
        outer = self._enclosing(scope, name)
        if own is not None:
            if outer is not None and kind == "load":
                own.ambiguous = outer.ambiguous = True
            return own
        return outer

    def _enclosing(self, scope: Scope, name: str) -> Variable | None:
        around = scope.parent
        while around is not None:
            how = around.outer.get(name)
            if how == "global":
                return self.module.bind(name)
            if around.kind != "class" and not how and name in around.variables:
                return around.variables[name]
            around = around.parent
        return None


@cache
def _method(kind: type[ast.AST]) -> Callable[[Scopes, ast.AST], None] | None:
    return getattr(Scopes, f"visit_{kind.__name__}", None)


def arguments(args: ast.arguments) -> list[ast.arg]:
    """All parameters, in the order in which they are written."""
    star = [args.vararg] if args.vararg else []
    stars = [args.kwarg] if args.kwarg else []
    return [*args.posonlyargs, *args.args, *star, *args.kwonlyargs, *stars]


def own_nodes(node: ast.AST) -> list[ast.AST]:
    """`node` and what is below it in the same scope."""
    found, todo = [], [node]
    while todo:
        node = todo.pop()
        found.append(node)
        if not isinstance(node, FUNCTION | ast.ClassDef | ast.Lambda):
            todo.extend(child_nodes(node))
    return found


def child_nodes(node: ast.AST) -> list[ast.AST]:
    """As ast.iter_child_nodes, several times as fast, without contexts (Load, Store)."""
    found: list[ast.AST] = []
    for name in _fields(type(node)):  # type: ignore[arg-type] # as above
        value = getattr(node, name, None)
        if type(value) is list:
            found += [each for each in value if isinstance(each, ast.AST)]
        elif isinstance(value, ast.AST):
            found.append(value)
    return found


@cache
def _fields(kind: type[ast.AST]) -> tuple[str, ...]:
    """Fields of a kind of node that may hold nodes, contexts left out."""
    plain = ("ctx", "id", "attr", "arg", "asname", "module", "level", "kind", "type_comment")
    return tuple(name for name in kind._fields if name not in plain)


def shape(value: object) -> object:
    """What `value`, a node or what stands in a field of one, is but for its places: equal where `ast.dump`
    is, and made in a fraction of its time. Can be hashed.
    """
    if isinstance(value, ast.Constant):
        return ast.Constant, type(value.value), repr(value.value), value.kind
    if isinstance(value, ast.AST):
        return type(value), *[shape(getattr(value, name, None)) for name in value._fields]
    if isinstance(value, list):
        return tuple([shape(each) for each in value])
    return value


def all_nodes(tree: ast.AST) -> list[ast.AST]:
    """`tree` and all below it but contexts, level by level, as ast.walk has them."""
    found = [tree]
    for node in found:
        found += child_nodes(node)
    return found
