"""Layers that are called inside a `return`, each in a statement of its own, which edits can reach."""

from __future__ import annotations

import ast
import textwrap
from collections import Counter
from collections.abc import Collection, Iterator

_LATER = (ast.IfExp, ast.BoolOp, ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
"""Expressions whose parts may not be computed, or more than once: nothing is taken out of them."""


def unnested(source: str) -> str:
    """`source` as the same function, in which `return self.b(F.relu(self.a(x)))` is `x = self.a(x)` and
    `return self.b(F.relu(x))`. A layer's call that is all of a `return` stays there.

    Looks at the last statement of each class's `forward`. Text that is no Python stays as it is.
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):
        return source
    lines = source.split("\n")
    for node in reversed([each for each in tree.body if isinstance(each, ast.ClassDef)]):
        for statement, forward in _returns(node):
            new = list(_apart(statement, _layers(node), _variables(forward)))
            if len(new) > 1:
                text = "\n".join(ast.unparse(ast.fix_missing_locations(each)) for each in new)
                indented = textwrap.indent(text, " " * statement.col_offset)
                lines[statement.lineno - 1 : statement.end_lineno] = indented.split("\n")
    return "\n".join(lines)


def _returns(node: ast.ClassDef) -> Iterator[tuple[ast.Return, ast.FunctionDef]]:
    """The `return` at the end of `forward`, if it stands on lines of its own."""
    for forward in node.body:
        if isinstance(forward, ast.FunctionDef) and forward.name == "forward":
            *others, last = forward.body
            before = (others[-1].end_lineno if others else None) or forward.lineno
            if isinstance(last, ast.Return) and before < last.lineno:
                yield last, forward


def _layers(node: ast.ClassDef) -> set[str]:
    """The attributes that a class sets on itself."""
    return {
        target.attr
        for each in ast.walk(node)
        if isinstance(each, ast.Assign)
        for target in each.targets
        if isinstance(target, ast.Attribute)
        and isinstance(target.value, ast.Name)
        and target.value.id == "self"
    }


def _variables(forward: ast.FunctionDef) -> set[str]:
    """The names that a function's arguments and assignments give."""
    stored = {n.id for n in ast.walk(forward) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    return (stored | {each.arg for each in ast.walk(forward) if isinstance(each, ast.arg)}) - {"self"}


def _apart(statement: ast.Return, layers: Collection[str], variables: set[str]) -> Iterator[ast.stmt]:
    """The statements that do what `statement` does. A new variable is added to `variables`."""
    value = statement.value
    while value is not None and (call := next(_calls(value, layers), None)) is not None and call is not value:
        inside = _used(call, variables)
        left = _used(value, variables) - inside
        only = next(iter(inside)) if len(inside) == 1 else ""
        target = only if only and only not in left else _unused(variables)
        variables.add(target)
        yield ast.Assign([ast.Name(target, ast.Store())], call)
        value = _Put(call, target).visit(value)
    yield ast.Return(value)


def _calls(node: ast.AST, layers: Collection[str]) -> Iterator[ast.Call]:
    """The calls of layers, those inside others first."""
    if isinstance(node, _LATER):
        return
    for child in ast.iter_child_nodes(node):
        yield from _calls(child, layers)
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "self"
        and node.func.attr in layers
    ):
        yield node


def _used(node: ast.AST, variables: Collection[str]) -> Counter[str]:
    return Counter(n.id for n in ast.walk(node) if isinstance(n, ast.Name) and n.id in variables)


def _unused(variables: Collection[str]) -> str:
    return next(name for name in ("h", *(f"h{number}" for number in range(1, 1000))) if name not in variables)


class _Put(ast.NodeTransformer):
    """Puts a variable in the place of one call."""

    def __init__(self, call: ast.Call, name: str) -> None:
        self._call, self._name = call, name

    def visit_Call(self, node: ast.Call) -> ast.AST:
        return ast.Name(self._name, ast.Load()) if node is self._call else self.generic_visit(node)
