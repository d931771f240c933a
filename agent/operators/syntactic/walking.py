"""Reading and rewriting LibCST trees without the copy of every node that `node.visit` makes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import cache

import libcst as cst

from evoarch.sandbox.words import words

Edit = Callable[[cst.CSTNode], cst.CSTNode | cst.FlattenSentinel[cst.CSTNode] | cst.RemovalSentinel]

_LAYOUT = words(
    """
    lpar rpar comma semicolon leading_lines lines_after_decorators header footer equal lbracket rbracket
    lbrace rbrace trailing_whitespace dot colon first_colon second_colon indent
    """
)
"""Fields that hold no code, beside those of white space."""

_ORDER: dict[type[cst.CSTNode], tuple[str, ...]] = {
    cst.ClassDef: ("decorators", "name", "type_parameters", "bases", "keywords", "body"),
    cst.FunctionDef: ("decorators", "name", "type_parameters", "params", "returns", "body"),
    cst.IfExp: ("body", "test", "orelse"),
    cst.Parameters: ("posonly_params", "posonly_ind", "params", "star_arg", "kwonly_params", "star_kwarg"),
    cst.Arg: ("keyword", "value"),
    cst.ExceptHandler: ("type", "name", "body"),
    cst.ExceptStarHandler: ("type", "name", "body"),
}
"""Fields of nodes that do not declare them in the order of the text."""


@cache
def _fields(kind: type[cst.CSTNode]) -> tuple[str, ...]:
    if kind in _ORDER:
        return _ORDER[kind]
    names = [field.name for field in dataclasses.fields(kind)]
    return tuple(name for name in names if name not in _LAYOUT and not name.startswith("whitespace"))


@cache
def _methods(visitor: type[cst.CSTVisitor], kind: type[cst.CSTNode]) -> tuple[str, str]:
    """Names of the visitor's own methods for a kind of node, "" where it has none."""
    names = (f"visit_{kind.__name__}", f"leave_{kind.__name__}")
    own, base = (getattr(visitor, name, None) for name in names), cst.CSTVisitor
    visit, leave = (
        name if method is not getattr(base, name, None) else ""
        for name, method in zip(names, own, strict=True)
    )
    return visit, leave


def children(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    """What a node is made of, in the order of the text, white space and punctuation left out."""
    for name in _fields(type(node)):
        value = getattr(node, name, None)
        if isinstance(value, cst.CSTNode):
            yield value
        elif isinstance(value, list | tuple):
            yield from value


def walk(node: cst.CSTNode, visitor: cst.CSTVisitor) -> None:
    """Calls `visitor.visit_X` and `leave_X` as `node.visit(visitor)` does, for nodes that are code."""
    visit, leave = _methods(type(visitor), type(node))
    if not visit or getattr(visitor, visit)(node) is not False:
        for child in children(node):
            walk(child, visitor)
    if leave:
        getattr(visitor, leave)(node)


def _on_the_way(node: cst.CSTNode, wanted: Collection[cst.CSTNode], found: set[cst.CSTNode]) -> bool:
    """Whether a node is one of `wanted` or holds one; adds to `found` all such nodes below it, and itself."""
    holds = node in wanted
    for child in children(node):
        holds = _on_the_way(child, wanted, found) or holds
    if holds:
        found.add(node)
    return holds


class _Rewriter(cst.CSTTransformer):
    """Edits nodes, and looks only into those on the way to one."""

    def __init__(self, edits: Mapping[cst.CSTNode, Edit], way: Collection[cst.CSTNode]) -> None:
        self.edits, self.way = edits, way

    def on_visit(self, node: cst.CSTNode) -> bool:
        return node in self.way

    def on_leave(  # type: ignore[override]
        self, original_node: cst.CSTNode, updated_node: cst.CSTNode
    ) -> cst.CSTNode | cst.FlattenSentinel[cst.CSTNode] | cst.RemovalSentinel:
        edit = self.edits.get(original_node)
        return updated_node if edit is None else edit(updated_node)


def rewrite(module: cst.Module, edits: Mapping[cst.CSTNode, Edit | cst.CSTNode]) -> cst.Module:
    """The module with nodes replaced, each by a node or by what a function makes of the node (its children
    already edited). Nodes are told apart by identity."""

    def constant(node: cst.CSTNode) -> Edit:
        return lambda _: node

    functions = {
        node: constant(edit) if isinstance(edit, cst.CSTNode) else edit for node, edit in edits.items()
    }
    way: set[cst.CSTNode] = set()
    _on_the_way(module, functions, way)
    changed = module.visit(_Rewriter(functions, way))
    assert isinstance(changed, cst.Module)
    return changed
