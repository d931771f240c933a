"""Takes the prose out of a tree: comments, docstrings and other bare strings."""

from __future__ import annotations

import libcst as cst


def without_prose(module: cst.Module) -> cst.Module:
    """`module` without comments and without statements that are only a literal; the layout stays."""
    return module.visit(_Prose())


def _is_prose(statement: cst.BaseSmallStatement) -> bool:
    return (
        isinstance(statement, cst.Expr)
        and isinstance(statement.value, cst.SimpleString | cst.ConcatenatedString)
        and not any(isinstance(part, cst.FormattedString) for part in _parts(statement.value))
    )


def _parts(node: cst.BaseExpression) -> list[cst.BaseExpression]:
    parts: list[cst.BaseExpression] = []
    while isinstance(node, cst.ConcatenatedString):
        parts.append(node.left)
        node = node.right
    return [*parts, node]


class _Prose(cst.CSTTransformer):
    def leave_EmptyLine(  # noqa: N802
        self, original_node: cst.EmptyLine, updated_node: cst.EmptyLine
    ) -> cst.EmptyLine | cst.RemovalSentinel:
        return cst.RemoveFromParent() if updated_node.comment else updated_node

    def leave_TrailingWhitespace(  # noqa: N802
        self, original_node: cst.TrailingWhitespace, updated_node: cst.TrailingWhitespace
    ) -> cst.TrailingWhitespace:
        if updated_node.comment is None:
            return updated_node
        return updated_node.with_changes(comment=None, whitespace=cst.SimpleWhitespace(""))

    def leave_SimpleStatementLine(  # noqa: N802
        self, original_node: cst.SimpleStatementLine, updated_node: cst.SimpleStatementLine
    ) -> cst.SimpleStatementLine | cst.RemovalSentinel:
        kept = _without(updated_node.body)
        if kept is None:
            return updated_node
        return updated_node.with_changes(body=kept) if kept else cst.RemoveFromParent()

    def leave_SimpleStatementSuite(  # noqa: N802
        self, original_node: cst.SimpleStatementSuite, updated_node: cst.SimpleStatementSuite
    ) -> cst.SimpleStatementSuite:
        kept = _without(updated_node.body)
        return updated_node if kept is None else updated_node.with_changes(body=kept or [cst.Pass()])

    def leave_IndentedBlock(  # noqa: N802
        self, original_node: cst.IndentedBlock, updated_node: cst.IndentedBlock
    ) -> cst.IndentedBlock:
        if updated_node.body:
            return updated_node
        return updated_node.with_changes(body=[cst.SimpleStatementLine([cst.Pass()])])


def _without(body: object) -> list[cst.BaseSmallStatement] | None:
    """The statements that are code, or None where all are."""
    assert isinstance(body, list | tuple)
    kept = [statement for statement in body if not _is_prose(statement)]
    if len(kept) == len(body):
        return None
    if kept:
        kept[-1] = kept[-1].with_changes(semicolon=cst.MaybeSentinel.DEFAULT)
    return kept
