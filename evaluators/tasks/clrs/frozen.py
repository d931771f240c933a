"""A genome may read what the network hands it and must not write to it: the rest of the network is fixed."""

from __future__ import annotations

import libcst as cst
from libcst.metadata import MetadataWrapper, PositionProvider

from evoarch.sandbox.outcome import Finding

RULE = "writes-outside"


def outside_writes(source: str) -> list[Finding]:
    """Every in-place write to an argument of a `forward`, each with its place; [] for what does not parse.

    A name that was assigned anew is the genome's own from there on. What this does not see (a write through
    another name) the network itself notices while it runs (processor.py).
    """
    try:
        wrapper = MetadataWrapper(cst.parse_module(source))
    except cst.ParserSyntaxError:
        return []
    visitor = _Writes()
    wrapper.visit(visitor)
    return visitor.findings


class _Writes(cst.CSTVisitor):
    METADATA_DEPENDENCIES = (PositionProvider,)

    def __init__(self) -> None:
        self.findings: list[Finding] = []
        self._given: list[set[str]] = []

    def visit_FunctionDef(self, node: cst.FunctionDef) -> None:  # noqa: N802 - libcst's name
        forward = node.name.value == "forward"
        self._given.append({p.name.value for p in node.params.params[1:]} if forward else set())

    def leave_FunctionDef(self, original_node: cst.FunctionDef) -> None:  # noqa: N802
        self._given.pop()

    def leave_Assign(self, original_node: cst.Assign) -> None:  # noqa: N802
        for target in original_node.targets:
            self._assigned(target.target)

    def visit_AugAssign(self, node: cst.AugAssign) -> None:  # noqa: N802
        self._written(node.target, node)

    def visit_Call(self, node: cst.Call) -> None:  # noqa: N802
        if isinstance(node.func, cst.Attribute):
            method = node.func.attr.value
            if method.endswith("_") and not method.endswith("__"):
                self._written(node.func.value, node)
        for argument in node.args:
            if argument.keyword is not None and argument.keyword.value == "out":
                self._written(argument.value, node)

    def _assigned(self, target: cst.BaseExpression) -> None:
        if isinstance(target, cst.Subscript | cst.Attribute):
            self._written(target, target)
        elif isinstance(target, cst.Name) and self._given:
            self._given[-1].discard(target.value)
        elif isinstance(target, cst.Tuple | cst.List):
            for element in target.elements:
                self._assigned(element.value)

    def _written(self, target: cst.BaseExpression, node: cst.CSTNode) -> None:
        while isinstance(target, cst.Subscript | cst.Attribute):
            target = target.value
        if isinstance(target, cst.Name) and self._given and target.value in self._given[-1]:
            place = self.get_metadata(PositionProvider, node).start
            self.findings.append(
                Finding(
                    place.line,
                    place.column,
                    RULE,
                    f"expected {target.value} to be read only, got a write to it in place",
                    f"it belongs to the network around the genome: compute a new tensor from {target.value}",
                )
            )
