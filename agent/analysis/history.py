"""How a search went: the hypervolume and the lowest error after each evaluation that improved them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from evoarch.agent.statistics.front import Placed
from evoarch.agent.statistics.noise import Noise
from evoarch.archive.browse import Trial
from evoarch.archive.pareto import Objective, front, hypervolume

CHUNK = 2000
"""Evaluations that are held against the front at once."""

FLOOR = 10.0
"""The default reference point's size, in multiples of the largest seed's."""


@dataclass(frozen=True)
class Step:
    """What was reached after `evaluations` of bred candidates and `cpu_seconds` of all evaluations.

    `candidate` is the one that improved the front, `values` are its objectives. `lowest` has the lowest error
    so far; where the error is a mean, `low` and `high` are the ends of its interval at 95%, if that is known.
    """

    candidate: int
    evaluations: int
    cpu_seconds: float
    hypervolume: float
    lowest_error: float
    values: tuple[float, ...]
    lowest: int
    low: float | None = None
    high: float | None = None


class History:
    """The steps of a search, from its evaluations in the order they were settled.

    Only the first training seed of a candidate counts, as selection saw it. `reference` is the point that the
    hypervolume is measured from; what is below `floor` counts no more. Trials hold the values of `metrics`,
    in that order: the objectives, and the error where that is no objective.
    """

    def __init__(
        self,
        objectives: Sequence[Objective],
        reference: Mapping[str, float],
        floor: Mapping[str, float] | None = None,
    ) -> None:
        self._objectives = objectives
        self._names = [objective.name for objective in objectives]
        self.metrics = list(dict.fromkeys([*self._names, "error"]))
        self.reference, self.floor = reference, floor or {}
        self._front: NDArray[np.float64] = np.empty((0, len(objectives)))
        self.steps: list[Step] = []
        self.entered: dict[int, tuple[int, float]] = {}
        """By candidate, the evaluations and CPU seconds at which it was first scored."""
        self.last = 0
        self.evaluations = 0
        self.cpu_seconds = 0.0

    def extend(self, trials: Iterable[Trial]) -> None:
        """Takes further trials, in the order they were settled; `last` is the id of the newest one taken."""
        iterator = iter(trials)
        while chunk := list(islice(iterator, CHUNK)):
            scored = [trial for trial in chunk if trial.scores and trial.seed == 0]
            better = {scored[place].id for place in self._not_dominated([self._goals(t) for t in scored])}
            for trial in chunk:
                self.last = trial.id
                self.cpu_seconds += trial.cpu_seconds
                self.evaluations += trial.entered
                if trial.scores and trial.seed == 0:
                    self.entered.setdefault(trial.candidate, (self.evaluations, self.cpu_seconds))
                if trial.id in better:
                    self._take(trial)

    def by_means(self, means: Sequence[Placed], noise: Noise) -> list[Step]:
        """The same search by what is known of its candidates now: each counts with its mean over all training
        seeds, from where it was first scored. `means`: their values of `metrics`.
        """
        again = History(self._objectives, self.reference, self.floor)
        seeds = {identity: count for identity, _, count in means}
        placed = [each for each in means if each[0] in self.entered]
        placed.sort(key=lambda each: (*self.entered[each[0]], each[0]))
        for begin in range(0, len(placed), CHUNK):
            chunk = placed[begin : begin + CHUNK]
            for place in again._not_dominated([values[: len(self._names)] for _, values, _ in chunk]):
                identity, values, _ = chunk[place]
                again.evaluations, again.cpu_seconds = self.entered[identity]
                again._take(Trial(identity, identity, "", 0, 0.0, False, values))
        spans = {s.lowest: noise.interval(s.lowest_error, seeds[s.lowest]) for s in again.steps}
        return [replace(s, low=i.low, high=i.high) if (i := spans[s.lowest]) else s for s in again.steps]

    def _not_dominated(self, points: Sequence[tuple[float, ...]]) -> list[int]:
        """Places of the points that nothing on the front is as good as."""
        matrix = np.array(points).reshape(len(points), len(self._objectives))
        covered = np.all(self._front[None, :, :] <= matrix[:, None, :], axis=2)
        return [int(place) for place in np.flatnonzero(~np.any(covered, axis=1))]

    def _goals(self, trial: Trial) -> tuple[float, ...]:
        return trial.scores[: len(self._names)]

    def _take(self, trial: Trial) -> None:
        values = self._goals(trial)
        if not self._not_dominated([values]):
            return
        stacked = np.vstack([self._front, values])
        rows = [dict(zip(self._names, values, strict=True)) for values in stacked.tolist()]
        kept = front(rows, self._objectives)
        self._front = stacked[kept]
        volume = hypervolume([rows[place] for place in kept], self._objectives, self.reference, self.floor)
        error = trial.scores[self.metrics.index("error")]
        known = [(self.steps[-1].lowest_error, self.steps[-1].lowest)] if self.steps else []
        lowest, who = min([*known, (error, trial.candidate)], key=lambda each: each[0])
        self.steps.append(
            Step(trial.candidate, self.evaluations, self.cpu_seconds, volume, lowest, values, who)
        )


def reference_point(
    facts: Mapping[str, object], names: Sequence[str], seeds: Sequence[Mapping[str, float]]
) -> dict[str, float]:
    """The campaign's own reference point, or error 1 and FLOOR times the largest baseline elsewhere."""
    known = facts.get("reference")
    if isinstance(known, Mapping) and all(name in known for name in names):
        return {name: float(known[name]) for name in names}
    largest = {name: max((row.get(name, 1.0) for row in seeds), default=1.0) for name in names}
    return {name: 1.0 if name == "error" else FLOOR * largest[name] for name in names}
