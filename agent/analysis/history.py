"""How a search went: the hypervolume and the lowest error after each evaluation that improved them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from evoarch.archive.browse import Trial
from evoarch.archive.pareto import Objective, front, hypervolume

CHUNK = 2000
"""Evaluations that are held against the front at once."""

FLOOR = 10.0
"""The default reference point's size, in multiples of the largest seed's."""


@dataclass(frozen=True)
class Step:
    """What was reached after `evaluations` of bred candidates and `cpu_seconds` of all evaluations.

    `candidate` is the one that improved the front, `values` are its objectives.
    """

    candidate: int
    evaluations: int
    cpu_seconds: float
    hypervolume: float
    lowest_error: float
    values: tuple[float, ...]


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
                if trial.id in better:
                    self._take(trial)

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
        lowest = min(error, self.steps[-1].lowest_error) if self.steps else error
        self.steps.append(Step(trial.candidate, self.evaluations, self.cpu_seconds, volume, lowest, values))


def reference_point(
    facts: Mapping[str, object], names: Sequence[str], seeds: Sequence[Mapping[str, float]]
) -> dict[str, float]:
    """The campaign's own reference point, or error 1 and FLOOR times the largest baseline elsewhere."""
    known = facts.get("reference")
    if isinstance(known, Mapping) and all(name in known for name in names):
        return {name: float(known[name]) for name in names}
    largest = {name: max((row.get(name, 1.0) for row in seeds), default=1.0) for name in names}
    return {name: 1.0 if name == "error" else FLOOR * largest[name] for name in names}
