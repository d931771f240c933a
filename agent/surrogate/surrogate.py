"""The model of one campaign: fitted anew as labels come, at moments that follow from the archive alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evoarch.agent.base.rng import stream
from evoarch.agent.config.load import Config
from evoarch.agent.statistics.objectives import objectives
from evoarch.agent.surrogate.calibration import calibration, judged_on
from evoarch.agent.surrogate.features import Features
from evoarch.agent.surrogate.forest import Forest, Row, fit
from evoarch.agent.surrogate.labels import (
    Labelled,
    Labels,
    arrivals,
    expected_rows,
    measured_rows,
    shares_of,
    thinned,
)
from evoarch.agent.surrogate.transfer import OWN_WEIGHT, helps
from evoarch.archive.store import Store
from evoarch.evaluators.trace import Trace

Matrix = NDArray[np.float64]

CHECKED = 10
"""Own candidates after which the labels of other campaigns must have shown that they help."""

INTERVAL = (0.05, 0.95)
"""The quantiles of the trees' guesses that bound an interval."""


@dataclass(frozen=True)
class Foretold:
    """What a model says of one candidate: of the first objective that is predicted, as it is."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Model:
    """Forests by the metric that each predicts. `name`: in words; `rows`: of labels in the first forest.
    `arrival`: predicts whether a child comes to a score at all, None where no child has ended yet.
    `trusted`: whether it has not shown to be no better than a size alone.
    """

    name: str
    rows: int
    forests: Mapping[str, Forest]
    arrival: Forest | None = None
    trusted: bool = True

    def guesses(
        self, traces: Sequence[Trace], rows: Sequence[Features], goals: Sequence[str], share: float = 1.0
    ) -> Matrix:
        """What each tree guesses for each trace: (traces, trees, goals). `rows`: the features of the traces.
        Parameters and FLOPs are what the trace says; FLOPs that were not counted are infinite.
        """
        columns = []
        count = len(next(iter(self.forests.values())).trees)
        for goal in goals:
            if goal in self.forests:
                columns.append(self.forests[goal].guesses(rows, share))
            else:
                exact = np.array([exactly(trace, goal) for trace in traces])
                columns.append(np.repeat(exact[:, None], count, axis=1))
        return np.stack(columns, axis=2)

    def chances(self, rows: Sequence[Features]) -> Matrix:
        """By features, the chance that its child comes to a score: that no rung stops it, and its error is
        below the ceiling. Never 0, since little may be known.
        """
        if self.arrival is None:
            return np.ones(len(rows))
        found = self.arrival.guesses(rows).mean(axis=1)
        return np.asarray(np.clip(found + LEAST_CHANCE, 0.0, 1.0))


LEAST_CHANCE = 0.02
"""Added to each chance of a score."""


def exactly(trace: Trace, goal: str) -> float:
    """A size that a trace says: `params` or `flops`."""
    found = trace.params if goal == "params" else trace.flops
    return math.inf if found is None else float(found)


EXACT = ("params", "flops")
"""Objectives that are known before training."""


class Surrogate:
    """`foreign`: labels of other campaigns; with any, the model begins with them instead of size strata."""

    def __init__(self, store: Store, config: Config, foreign: Sequence[Labelled] = ()) -> None:
        self._table, self._seed = config.surrogate, config.campaign.seed
        self._goals = [goal.name for goal in objectives(config.selection)]
        self._store, self._shares = store, shares_of(config.evaluation.rungs)
        self._labels = Labels(store, self._shares)
        self._foreign = foreign
        self._fitted: tuple[int, bool] | None = None
        self._model: Model | None = None

    def model(self) -> Model | None:
        """The model as of the archive now; None while there is none, and strata are to be used."""
        self._labels.read()
        ended = len(self._labels.ended)
        warm = bool(self._foreign) and (ended < CHECKED or self._transfers())
        start = 0 if warm else self._table.start
        if ended < start:
            return None
        cut = start + (ended - start) // self._table.refit * self._table.refit
        if self._fitted != (cut, warm):
            self._fitted, self._model = (cut, warm), self._fit(cut, warm)
        return self._model

    def _transfers(self) -> bool:
        return helps(
            measured_rows(self._labels.known(CHECKED), "error"),
            measured_rows(self._foreign, "error"),
            self._draw(0),
        )

    def _fit(self, cut: int, warm: bool) -> Model | None:
        own = thinned(self._labels.known(cut), self._draw(cut))
        forests = {}
        for goal in self._goals:
            if goal in EXACT:
                continue
            rows = [*_rows(self._foreign, goal, 1.0)] if warm else []
            rows += _rows(own, goal, OWN_WEIGHT if warm else 1.0)
            if not rows:
                return None
            forests[goal] = fit(rows, self._draw(cut))
        if not forests:
            return None
        name = "forest of this and other campaigns" if warm else "forest"
        ended = [*(arrivals(self._foreign) if warm else []), *arrivals(own, OWN_WEIGHT if warm else 1.0)]
        arrival = fit(ended, self._draw(cut), log=False) if ended else None
        return Model(name, next(iter(forests.values())).rows, forests, arrival, self._trusted(own))

    def _trusted(self, own: Sequence[Labelled]) -> bool:
        """As its predictions for the first rung turned out: there most children can be judged by."""
        rung = min(self._shares, key=lambda name: self._shares[name])
        labels = [each.label for each in own]
        judged = judged_on(rung, self._store.predictions.all(), labels)
        return not judged or not calibration(rung, judged).no_better

    def _draw(self, cut: int) -> int:
        return stream(self._seed, "forest", cut).randrange(1 << 32)


def _rows(labelled: Sequence[Labelled], goal: str, weight: float) -> list[Row]:
    """What was measured, and at half the weight what is expected of who did not come to the end."""
    return [*measured_rows(labelled, goal, weight), *expected_rows(labelled, goal, weight / 2)]


def foretold(guesses: NDArray[np.float64]) -> Foretold:
    """Of one candidate, from its trees' guesses of one metric: the geometric mean, and an interval."""
    low, high = np.quantile(guesses, INTERVAL)
    return Foretold(float(np.exp(np.log(guesses).mean())), float(low), float(high))
