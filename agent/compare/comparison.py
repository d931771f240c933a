"""A comparison as one value: what each arm reached, the differences, and sentences about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from evoarch.agent.compare.curves import MEASURES, PRIMARY, Curve, Measure
from evoarch.agent.compare.sizes import BySize, by_size, limits_of
from evoarch.agent.statistics.intervals import ALPHA
from evoarch.agent.statistics.objectives import EVERYTHING, Region
from evoarch.agent.statistics.tests import Difference, differences, interval, least_p, values_needed


@dataclass(frozen=True)
class ArmsTable:
    """One measure at one budget: `axis` is `evaluations` or `CPU seconds`, `budget` how many of them."""

    measure: Measure
    axis: str
    budget: float
    values: Mapping[str, tuple[float, ...]]
    differences: tuple[Difference, ...]

    def summary(self, arm: str) -> tuple[float, float, float]:
        """Mean over runs and its 95% interval."""
        return interval(self.values[arm])

    def verdict(self, difference: Difference) -> dict[str, object]:
        """A difference as JSON has it: whether it can be claimed, and if not, why and what it would take."""
        pair = [self.values[arm] for arm in (difference.first, difference.second)]
        needed = values_needed(pair[0], pair[1], len(self.differences))
        known = asdict(difference) | {"told_apart": difference.told_apart, "runs_needed": needed}
        if difference.told_apart:
            return known
        enough = f"need about {needed} runs of each" if needed else "no number of runs is known to do"
        return known | {"refused": f"the budget is too small to tell these apart: {enough}"}


@dataclass(frozen=True)
class Comparison:
    """`arms`: a name and what it is in words. `missing`: runs that are not finished, by arm.

    `claims`: a sentence for each pair of arms in the primary measure; `cautions`: what to keep in mind.
    `sizes`: what the arms reach at given sizes, at each budget.
    """

    arms: Mapping[str, str]
    curves: tuple[Curve, ...]
    missing: Mapping[str, int]
    tables: tuple[ArmsTable, ...]
    claims: tuple[str, ...]
    cautions: tuple[str, ...]
    sizes: tuple[BySize, ...] = ()

    @property
    def words(self) -> tuple[str, ...]:
        """What can and what cannot be claimed, in sentences."""
        return (*self.claims, *(each.words for each in self.sizes if each.limits), *self.cautions)

    def of(self, arm: str) -> list[Curve]:
        """The curves of one arm's finished runs."""
        return [curve for curve in self.curves if curve.arm == arm]

    def as_json(self) -> dict[str, object]:
        """Arms, sentences and tables as JSON has them, without the curves."""
        return {
            "arms": dict(self.arms),
            "missing": dict(self.missing),
            "words": list(self.words),
            "tables": [
                {
                    "measure": table.measure.name,
                    "axis": table.axis,
                    "budget": table.budget,
                    "values": {arm: list(values) for arm, values in table.values.items()},
                    "differences": [table.verdict(difference) for difference in table.differences],
                }
                for table in self.tables
            ],
            "sizes": [each.as_json() for each in self.sizes],
        }


def compared(
    arms: Mapping[str, str],
    curves: Sequence[Curve],
    missing: Mapping[str, int] | None = None,
    *,
    task: str = "",
    region: Region = EVERYTHING,
) -> Comparison:
    """The comparison of finished runs, at the budget that all of them spent. ValueError without any.

    `task`: its name, for the sizes that are looked at; `region`: the one that the hypervolume is of.
    """
    if not curves:
        raise ValueError("expected at least one finished run, got none")
    present = {arm: words for arm, words in arms.items() if any(curve.arm == arm for curve in curves)}
    count = min(curve.points[-1].evaluations for curve in curves)
    seconds = min(curve.points[-1].cpu_seconds for curve in curves)
    tables, sizes, limits = list[ArmsTable](), list[BySize](), limits_of(task, curves)
    for axis, budget in (("evaluations", float(count)), ("CPU seconds", seconds)):
        points = {
            arm: [
                curve.at_evaluations(count) if axis == "evaluations" else curve.at_seconds(budget)
                for curve in curves
                if curve.arm == arm
            ]
            for arm in present
        }
        for measure in MEASURES:
            values = {
                arm: tuple(point.value(measure.name) for point in found) for arm, found in points.items()
            }
            tests = tuple(differences(values, up=measure.up)) if len(values) > 1 else ()
            tables.append(ArmsTable(measure, axis, budget, values, tests))
        sizes.append(by_size(points, axis, budget, limits))
    missing = {arm: number for arm, number in (missing or {}).items() if number}
    primary = [table for table in tables if table.measure.name == PRIMARY]
    claims = tuple(_claim(table, each) for table in primary for each in table.differences)
    cautions = (*_cautions(missing), *_region_said(region))
    return Comparison(present, tuple(curves), missing, tuple(tables), claims, cautions, tuple(sizes))


def _region_said(region: Region) -> tuple[str, ...]:
    limits = ", ".join(f"{name} {low:,g} to {high:,g}" for name, (low, high) in region.limits.items())
    return (f"The hypervolume counts the campaign's region alone: {limits}.",) if limits else ()


def _cautions(missing: Mapping[str, int]) -> tuple[str, ...]:
    words = []
    if missing:
        left = ", ".join(f"{arm}: {number}" for arm, number in missing.items())
        words.append(f"Not all runs are finished ({left} to go): what stands here can still change.")
    words.append(
        "Errors here are the search's own, of one training seed on the validation examples: the best of many "
        "is better by luck than it is. They compare arms, they do not tell how good a model is; "
        "`evoarch confirm` does."
    )
    return tuple(words)


def _claim(table: ArmsTable, difference: Difference) -> str:
    at = f"{table.budget:,.0f} {table.axis}"
    sizes = [len(table.values[arm]) for arm in (difference.first, difference.second)]
    figures = (
        f"difference in {table.measure.name} {difference.mean:+.3f} [{difference.low:+.3f}, "
        f"{difference.high:+.3f}], p = {difference.corrected:.3g} after Holm's correction, wins in "
        f"{difference.effect:.0%} of pairs of runs"
    )
    if difference.told_apart:
        ahead, behind = difference.first, difference.second
        if (difference.mean > 0) is not table.measure.up:
            ahead, behind = behind, ahead
        return f"At {at}, {ahead} is better than {behind} ({figures})."
    least = least_p(*sizes)
    if least * len(table.differences) >= ALPHA:
        return (
            f"At {at}, {difference.first} and {difference.second} cannot be told apart by {sizes[0]} and "
            f"{sizes[1]} runs, whatever they show: the smallest p that so few can give is {least:.3g} "
            f"before the correction ({figures})."
        )
    return f"At {at}, nothing says that {difference.first} and {difference.second} differ ({figures})."
