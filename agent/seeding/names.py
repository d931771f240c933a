"""Renaming what one statement takes from its module, by scope: locals, attributes and keywords stay."""

# ruff: noqa: N802 (LibCST names its visitors so)

from __future__ import annotations

from collections.abc import Mapping, Sequence

import libcst as cst
from libcst.metadata import GlobalScope, MetadataWrapper, Scope, ScopeProvider

from evoarch.sandbox.parsing import parse_gated
from evoarch.sandbox.rules.base import below, dotted


def chains(node: cst.CSTNode, roots: frozenset[str]) -> list[str]:
    """The longest dotted paths in a statement that begin with one of `roots`, each once."""
    inner = {id(n.value) for n in below(node) if isinstance(n, cst.Attribute)}
    found: dict[str, None] = {}
    for child in below(node):
        if isinstance(child, cst.Attribute | cst.Name) and id(child) not in inner:
            path = dotted(child)
            if path.partition(".")[0] in roots:
                found[path] = None
    # `a.b().c` holds `a.b` inside a call: dotted() is empty there, and the inner chain stands alone.
    for child in below(node):
        if isinstance(child, cst.Attribute) and not dotted(child):
            path = dotted(child.value)
            if path and path.partition(".")[0] in roots:
                found[path] = None
    return list(found)


def renamed(text: str, names: Mapping[str, str], imports: Mapping[str, Sequence[str]] | None = None) -> str:
    """A statement's text with global names and dotted paths replaced, its own definition included.

    `imports`: import statements inside it to take out, by their code; each becomes the statements given
    (`pass` if none).
    """
    names = {old: new for old, new in names.items() if old != new}
    if not names and not imports:
        return text
    wrapper = MetadataWrapper(parse_gated(text))
    scopes = wrapper.resolve(ScopeProvider)
    changed = wrapper.module.visit(_Rename(names, imports or {}, scopes))
    assert isinstance(changed, cst.Module)
    return changed.code


class _Rename(cst.CSTTransformer):
    def __init__(
        self,
        names: Mapping[str, str],
        imports: Mapping[str, Sequence[str]],
        scopes: Mapping[cst.CSTNode, Scope | None],
    ) -> None:
        self.names, self.imports, self.scopes = names, imports, scopes
        self.kept: set[cst.CSTNode] = set()

    def _global(self, node: cst.CSTNode, name: str) -> bool:
        scope = self.scopes.get(node)
        if scope is None:
            return False
        found = scope[name]
        return not found or any(isinstance(a.scope, GlobalScope) for a in found)

    def visit_Attribute(self, node: cst.Attribute) -> None:
        self.kept.add(node.attr)

    def visit_Arg(self, node: cst.Arg) -> None:
        if node.keyword is not None:
            self.kept.add(node.keyword)

    def visit_Param(self, node: cst.Param) -> None:
        self.kept.add(node.name)

    def visit_ImportAlias(self, node: cst.ImportAlias) -> bool:
        return False

    def visit_ImportFrom(self, node: cst.ImportFrom) -> bool:
        return False

    def leave_Attribute(
        self, original_node: cst.Attribute, updated_node: cst.Attribute
    ) -> cst.BaseExpression:
        path = dotted(original_node)
        if path in self.names:
            root: cst.BaseExpression = original_node
            while isinstance(root, cst.Attribute):
                root = root.value
            if isinstance(root, cst.Name) and self._global(root, root.value):
                return cst.parse_expression(self.names[path])
        return updated_node

    def leave_Name(self, original_node: cst.Name, updated_node: cst.Name) -> cst.BaseExpression:
        new = self.names.get(original_node.value)
        if new is None or original_node in self.kept or not self._global(original_node, original_node.value):
            return updated_node
        return cst.parse_expression(new)

    def leave_SimpleStatementLine(
        self, original_node: cst.SimpleStatementLine, updated_node: cst.SimpleStatementLine
    ) -> cst.BaseStatement | cst.FlattenSentinel[cst.BaseStatement]:
        code = cst.Module([]).code_for_node(original_node.body[0]).strip() if original_node.body else ""
        if code not in self.imports:
            return updated_node
        lines = self.imports[code] or ["pass"]
        first = cst.ensure_type(cst.parse_statement(lines[0]), cst.SimpleStatementLine)
        rest = [cst.parse_statement(line) for line in lines[1:]]
        return cst.FlattenSentinel(
            [
                updated_node.with_changes(body=first.body),
                *[s for s in rest if isinstance(s, cst.SimpleStatementLine)],
            ]
        )
