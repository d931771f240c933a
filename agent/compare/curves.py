"""What a run had reached after each evaluation and each CPU second, as selection saw it: first seeds only."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from evoarch.agent.compare.runs import Run
from evoarch.agent.statistics.objectives import EVERYTHING, Region
from evoarch.archive.outlays import Outlay
from evoarch.archive.pareto import Objective, fitness, front, hypervolume
from evoarch.archive.store import open_archive

GOALS = (Objective("error"), Objective("params", log=True))
REFERENCE = {"error": 0.5, "params": 1_000_000.0}
"""The hypervolume's point: the ceiling of ten classes, and a size that no baseline reaches. One for all
arms, so that volumes (error x decades of parameters) can be compared."""


@dataclass(frozen=True)
class Measure:
    """A figure of a run, with what it is in words; `up`: more is better."""

    name: str
    words: str
    up: bool


MEASURES = (
    Measure("hypervolume", "hypervolume of the front (error x decades of parameters)", True),
    Measure("fitness", "log10 of the lowest error x parameters", False),
    Measure("error", "lowest validation error", False),
)
PRIMARY = MEASURES[0].name


@dataclass(frozen=True)
class Point:
    """What a run had reached after `evaluations` children and `cpu_seconds` of everything."""

    evaluations: int
    cpu_seconds: float
    hypervolume: float
    fitness: float
    error: float
    front: tuple[tuple[float, float], ...] = ()
    """(error, parameters) of its models that no other dominates, as they were first scored."""
    models: tuple[tuple[float, float], ...] = ()
    """Of a run's first point: the same of all seeds."""

    def error_within(self, params: float) -> float:
        """The lowest error of a model of at most `params` parameters, 1 where there is none."""
        return min((error for error, size in self.front if size <= params), default=1.0)

    def value(self, measure: str) -> float:
        """A measure by its name."""
        return float(getattr(self, measure))


@dataclass(frozen=True)
class Curve:
    """A run's points, in order; the first one is what the seeds give."""

    arm: str
    seed: int
    points: tuple[Point, ...]

    def at_evaluations(self, count: int) -> Point:
        """The last point with at most `count` evaluations."""
        return [point for point in self.points if point.evaluations <= count][-1]

    def at_seconds(self, seconds: float) -> Point:
        """The last point that had cost at most `seconds`; the seeds' point where there is none."""
        return ([point for point in self.points if point.cpu_seconds <= seconds] or [self.points[0]])[-1]


def curve_of(outlays: Sequence[Outlay], arm: str, seed: int, region: Region = EVERYTHING) -> Curve:
    """The curve of one run, from what its evaluations cost and gave; the hypervolume is that in `region`.

    The seeds are the same in every arm: they are the first point, at 0 evaluations.
    """
    points: list[Point] = []
    rows: list[Mapping[str, float]] = []
    kept: tuple[tuple[float, float], ...] = ()
    for outlay in outlays:
        if outlay.metrics and outlay.seed == 0:
            rows.append(outlay.metrics)
            kept = _front((*kept, (outlay.metrics["error"], outlay.metrics["params"])))
        if outlay.kind == "repeat":
            continue
        point = Point(outlay.evaluations, outlay.cpu_seconds, *_reached(rows, region), kept)
        if not outlay.evaluations:
            seeds = tuple((row["error"], row["params"]) for row in rows)
            point = replace(point, models=seeds)
        if points and points[-1].evaluations == point.evaluations:
            points[-1] = point
        else:
            points.append(point)
    return Curve(arm, seed, tuple(points))


def _front(models: tuple[tuple[float, float], ...]) -> tuple[tuple[float, float], ...]:
    rows = [{"error": error, "params": params} for error, params in models]
    return tuple(models[place] for place in front(rows, GOALS))


def _reached(rows: Sequence[Mapping[str, float]], region: Region) -> tuple[float, float, float]:
    if not rows:
        return 0.0, math.inf, 1.0
    volume = hypervolume(rows, GOALS, region.below(REFERENCE), region.floor)
    return volume, math.log10(-max(fitness(row) for row in rows)), min(row["error"] for row in rows)


def read(run: Run, region: Region = EVERYTHING) -> Curve:
    """The curve of a run that is finished or under way."""
    store = open_archive(run.folder, write=False)
    try:
        return curve_of(store.outlays.all(), run.arm, run.seed, region)
    finally:
        store.close()
