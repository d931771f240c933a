"""Where a few nodes of a tree stand in the text.

LibCST's PositionProvider works out the place of every node, which takes longer than all of vetting. This
listens to the same code generator, and remembers only how much text came before the nodes asked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext

import libcst as cst
from libcst._nodes.internal import CodegenState

_NEWLINE = re.compile(r"\r\n?|\n")


def places(module: cst.Module, nodes: Iterable[cst.CSTNode]) -> dict[cst.CSTNode, tuple[int, int]]:
    """Line (from 1) and column (from 0, in characters) where each of `nodes` begins."""
    state = _Listener(module, frozenset(nodes))
    module._codegen(state)
    return {node: state.place(node) for node in state.wanted}


class _Listener(CodegenState):
    def __init__(self, module: cst.Module, wanted: frozenset[cst.CSTNode]) -> None:
        super().__init__(module.default_indent, module.default_newline)
        self.wanted = wanted
        self._before: dict[cst.CSTNode, int] = {}
        self._first: dict[cst.CSTNode, cst.CSTNode] = {}

    def before_codegen(self, node: cst.CSTNode) -> None:
        if node in self.wanted or node in self._first.values():
            self._before.setdefault(node, len(self.tokens))

    def record_syntactic_position(  # type: ignore[override]  # a generator per node would cost as much again
        self,
        node: cst.CSTNode,
        *,
        start_node: cst.CSTNode | None = None,
        end_node: cst.CSTNode | None = None,
    ) -> AbstractContextManager[None]:
        if node in self.wanted:
            self._before[node] = len(self.tokens)
            if start_node is not None:
                self._first[node] = start_node
        return nullcontext()

    def place(self, node: cst.CSTNode) -> tuple[int, int]:
        first = self._before.get(self._first.get(node, node), 0)
        lines = _NEWLINE.split("".join(self.tokens[:first]))
        return len(lines), len(lines[-1])
