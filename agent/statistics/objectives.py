"""The objectives of a campaign."""

from __future__ import annotations

from evoarch.agent.config.tables import SelectionTable
from evoarch.archive.pareto import Objective

SIZES = frozenset({"params", "flops"})


def objectives(table: SelectionTable) -> list[Objective]:
    return [Objective(name, log=name in SIZES) for name in table.objectives]
