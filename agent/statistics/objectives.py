"""The objectives of a campaign, and the region of them that it cares about."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from evoarch.agent.config.tables import SelectionTable
from evoarch.archive.pareto import Objective

SIZES = frozenset({"params", "flops"})
"""Metrics that are counts: their distances are taken on a log scale."""


def objectives(table: SelectionTable) -> list[Objective]:
    """The objectives that `[selection]` names, in order; all are minimised, sizes on a logarithmic scale."""
    return [Objective(name, log=name in SIZES) for name in table.objectives]


def deciding(table: SelectionTable) -> tuple[str, ...]:
    """The metrics that decide who becomes a parent, and that a prompt shows and asks for: the objectives, or
    those of the scalar fitness (EvoPrompting, section 3).
    """
    return ("params", "error") if table.method == "scalar" else table.objectives


@dataclass(frozen=True)
class Region:
    """What a campaign cares about: by objective the least and the most of it; {}: everything."""

    limits: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    @property
    def floor(self) -> Mapping[str, float]:
        """The least of each objective: what is better still counts no more."""
        return {name: low for name, (low, _) in self.limits.items()}

    def below(self, reference: Mapping[str, float]) -> dict[str, float]:
        """The hypervolume's point: the most of each objective, elsewhere that of `reference`."""
        return {name: self.limits.get(name, (0.0, value))[1] for name, value in reference.items()}

    def distance(self, row: Mapping[str, float]) -> float:
        """How far a candidate of these metrics is outside, 0 inside: of sizes in decades, of others as it is.

        Infinite where a metric that has limits was not measured.
        """
        return sum(_beyond(row.get(name), name in SIZES, *ends) for name, ends in self.limits.items())


EVERYTHING = Region()
"""No limits."""


def _beyond(value: float | None, size: bool, low: float, high: float) -> float:
    if value is None:
        return math.inf
    if size:
        value, low, high = (math.log10(max(each, 1.0)) for each in (value, low, high))
    return max(0.0, low - value, value - high)


def region_of(table: SelectionTable) -> Region:
    """The region that `[selection]` names."""
    return Region({name: (limits[0], limits[1]) for name, limits in table.region.items()})
