"""What arms reach at given sizes: the hypervolume alone, whose reference is large, favours tiny models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from evoarch.agent.compare.curves import GOALS, Curve, Point
from evoarch.agent.statistics.tests import interval
from evoarch.archive.pareto import attained

LIMITS: Mapping[str, tuple[int, ...]] = {"mnist1d": (1740, 3634, 5210)}
"""By task, the sizes at which arms are compared: what bred models of 1.0 to 1.6% error had, and ConvBase."""

GRID = (100, 316, 1_000, 3_162, 10_000, 31_623, 100_000)
"""Sizes at which the attainment curve is read off."""

_NOTHING = {"error": 1.0, "params": 1e300}
"""Stands for the front of a run that has none."""


@dataclass(frozen=True)
class BySize:
    """At one budget (`axis` as ArmsTable's): of each arm and each of `limits`, the lowest validation error of
    each run's models of at most so many parameters (1 where it has none).

    `attained`: by arm, (parameters, error) along the front that at least half of its runs attain, by size.
    """

    axis: str
    budget: float
    limits: tuple[int, ...]
    values: Mapping[str, Mapping[int, tuple[float, ...]]]
    attained: Mapping[str, tuple[tuple[float, float], ...]]

    def summary(self, arm: str, limit: int) -> tuple[float, float, float]:
        """Mean over runs and its 95% interval."""
        return interval(self.values[arm][limit])

    def at(self, arm: str, size: float) -> float | None:
        """The error that half of the runs attain with at most `size` parameters; None: no model so small."""
        return min((error for params, error in self.attained[arm] if params <= size), default=None)

    @property
    def words(self) -> str:
        """The means in a sentence."""
        sizes = " / ".join(f"{limit:,}" for limit in self.limits)
        arms = "; ".join(
            f"{arm} {' / '.join(f'{self.summary(arm, limit)[0]:.3f}' for limit in self.limits)}"
            for arm in self.values
        )
        return (
            f"At {self.budget:,.0f} {self.axis}, the lowest validation error with at most {sizes} "
            f"parameters, mean over runs: {arms}."
        )

    def as_json(self) -> dict[str, object]:
        """All fields as JSON has them."""
        values = {
            arm: {str(limit): list(errors) for limit, errors in found.items()}
            for arm, found in self.values.items()
        }
        curves = {arm: [list(point) for point in points] for arm, points in self.attained.items()}
        budget = {"axis": self.axis, "budget": self.budget, "limits": list(self.limits)}
        return {**budget, "values": values, "attained": curves}


def limits_of(task: str, curves: Sequence[Curve]) -> tuple[int, ...]:
    """The task's own limits, or the thirds of the way from the smallest to the largest seed in log size."""
    if task in LIMITS:
        return LIMITS[task]
    sizes = [params for curve in curves for _, params in curve.points[0].models]
    if not sizes:
        return ()
    low, high = min(sizes), max(sizes)
    return tuple(dict.fromkeys(round(low * (high / low) ** (third / 3)) for third in (1, 2, 3)))


def by_size(
    points: Mapping[str, Sequence[Point]], axis: str, budget: float, limits: tuple[int, ...]
) -> BySize:
    """What the runs of each arm had reached; `points`: of each run the one at the budget."""
    values = {
        arm: {limit: tuple(point.error_within(limit) for point in found) for limit in limits}
        for arm, found in points.items()
    }
    fronts = {
        arm: [[{"error": error, "params": params} for error, params in point.front] for point in found]
        for arm, found in points.items()
    }
    curves = {
        arm: tuple(
            sorted(
                (row["params"], row["error"])
                for row in attained([front or [_NOTHING] for front in found], GOALS)
                if row["params"] < _NOTHING["params"]
            )
        )
        for arm, found in fronts.items()
    }
    return BySize(axis, budget, limits, values, curves)
