"""Renaming what one statement takes from its module, by scope: locals, attributes and keywords stay."""

# ruff: noqa: N802 (LibCST names its visitors so)

from __future__ import annotations

from collections.abc import Mapping

import libcst as cst
from libcst.metadata import GlobalScope, MetadataWrapper, Scope, ScopeProvider

from evoarch.sandbox.parsing import parse_gated


def renamed(text: str, names: Mapping[str, str]) -> str:
    """A statement's text with global names replaced, its own definition included."""
    names = {old: new for old, new in names.items() if old != new}
    if not names:
        return text
    wrapper = MetadataWrapper(parse_gated(text))
    changed = wrapper.module.visit(_Rename(names, wrapper.resolve(ScopeProvider)))
    assert isinstance(changed, cst.Module)
    return changed.code


class _Rename(cst.CSTTransformer):
    def __init__(self, names: Mapping[str, str], scopes: Mapping[cst.CSTNode, Scope | None]) -> None:
        self.names, self.scopes = names, scopes
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

    def leave_Name(self, original_node: cst.Name, updated_node: cst.Name) -> cst.BaseExpression:
        new = self.names.get(original_node.value)
        if new is None or original_node in self.kept or not self._global(original_node, original_node.value):
            return updated_node
        return updated_node.with_changes(value=new)
