"""The objectives of a campaign."""

from __future__ import annotations

from evoarch.agent.config.tables import SelectionTable
from evoarch.archive.pareto import Objective

SIZES = frozenset({"params", "flops"})
"""Metrics that are compared on a logarithmic scale."""
"""Metrics that are counts: their distances are taken on a log scale."""


def objectives(table: SelectionTable) -> list[Objective]:
    """The objectives that `[selection]` names, in order; all are minimised, sizes on a logarithmic scale."""
    """What is minimised, in the order of `selection.objectives`."""
    return [Objective(name, log=name in SIZES) for name in table.objectives]


def deciding(table: SelectionTable) -> tuple[str, ...]:
    """The metrics that decide who becomes a parent, and that a prompt shows and asks for: the objectives, or
    those of the scalar fitness (EvoPrompting, section 3).
    """
    return ("params", "error") if table.method == "scalar" else table.objectives
