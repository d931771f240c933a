"""What a campaign has measured so far, as rows for the forests: every rung of every first training."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from evoarch.agent.config.measuring import RungTable
from evoarch.agent.surrogate.features import Features, features
from evoarch.agent.surrogate.forest import Row
from evoarch.archive.labels import Label
from evoarch.archive.records import FULL
from evoarch.archive.store import Store
from evoarch.evaluators.trace import Trace, TraceError


def shares_of(rungs: Sequence[RungTable]) -> dict[str, float]:
    """The share of training after which each rung pauses, by its name; the last one's is 1."""
    return {FULL: 1.0} | {f"rung{number}": rung.share for number, rung in enumerate(rungs, start=1)}


@dataclass(frozen=True)
class Labelled:
    """A label with the features of its candidate, and the share of training that it speaks of."""

    label: Label
    features: Features
    share: float


class Labels:
    """The labels of one archive, in the order they came. `shares`: of training, by rung."""

    def __init__(self, store: Store, shares: Mapping[str, float]) -> None:
        self._store, self._shares = store, shares
        self._all: list[Labelled] = []
        self._last = 0
        self.ended: list[int] = []
        """How many labels there were when each bred candidate's training had ended, in that order."""

    def read(self) -> None:
        """Takes in what came since it last looked."""
        new = self._store.labels.after(self._last)
        traces = traces_of(self._store, [label.candidate for label in new])
        known = {candidate: features(trace) for candidate, trace in traces.items()}
        for label in new:
            self._last = label.id
            share = self._shares.get(label.rung)
            if share is not None and label.candidate in known:
                self._all.append(Labelled(label, known[label.candidate], share))
            if label.ended and label.bred:
                self.ended.append(len(self._all))

    def known(self, ended: int) -> Sequence[Labelled]:
        """Those that there were when the training of bred candidate number `ended` was over; for 0 those of
        the seeds, which come before all others.
        """
        if ended:
            return self._all[: self.ended[ended - 1]]
        return [each for each in self._all[: self.ended[0] if self.ended else None] if not each.label.bred]


MOST_LABELS = 10_000
"""Labels that a model is made from, so that this takes a second whatever the archive holds."""


def thinned(labelled: Sequence[Labelled], seed: int) -> Sequence[Labelled]:
    """Of more than about MOST_LABELS the newest half of that number, and a draw by `seed` of the candidates
    before, each with all its labels.
    """
    newest = MOST_LABELS // 2
    if len(labelled) <= MOST_LABELS:
        return labelled
    older = labelled[:-newest]
    candidates = list(dict.fromkeys(each.label.candidate for each in older))
    drawn = np.random.default_rng(seed).random(len(candidates)) < newest / len(older)
    kept = {candidate for candidate, chosen in zip(candidates, drawn, strict=True) if chosen}
    return [*(each for each in older if each.label.candidate in kept), *labelled[-newest:]]


def measured_rows(labelled: Sequence[Labelled], metric: str, weight: float = 1.0) -> list[Row]:
    """One row for each rung that a candidate reached with a score."""
    return [
        Row(each.features, each.share, each.label.metrics[metric], weight)
        for each in labelled
        if each.label.metrics.get(metric, 0.0) > 0
    ]


def expected_rows(labelled: Sequence[Labelled], metric: str, weight: float = 1.0) -> list[Row]:
    """For each candidate that was stopped, or failed later, what its last rung lets expect at the end.

    Without these a forest would know the end of those alone that rungs let through, the better ones.
    """
    lines = _lines(labelled, metric)
    ended = {each.label.candidate for each in labelled if each.label.ended}
    last = {each.label.candidate: each for each in labelled if each.label.metrics.get(metric, 0.0) > 0}
    rows = []
    for candidate, each in last.items():
        if candidate in ended and each.label.rung in lines:
            slope, level, least = lines[each.label.rung]
            reached = each.label.metrics[metric]
            # Training on makes nothing worse, and nobody is expected to be better than all that were seen.
            expected = min(reached, max(least, math.exp(level + slope * math.log(reached))))
            rows.append(Row(each.features, 1.0, expected, weight))
    return rows


def _lines(labelled: Sequence[Labelled], metric: str) -> dict[str, tuple[float, float, float]]:
    """By rung before the last, the line (slope, level) from the log of what was reached there to the log of
    what the same candidates reached at the end, and the least of these; none of fewer than LEAST_PAIRS.
    """
    ends = {each.label.candidate: each.label.metrics.get(metric) for each in labelled if each.share == 1.0}
    pairs: dict[str, list[tuple[float, float]]] = {}
    for each in labelled:
        reached, end = each.label.metrics.get(metric), ends.get(each.label.candidate)
        if each.share < 1.0 and reached and end and min(reached, end) > 0:
            pairs.setdefault(each.label.rung, []).append((math.log(reached), math.log(end)))
    found = {}
    for rung, points in pairs.items():
        if len(points) >= LEAST_PAIRS and len({x for x, _ in points}) > 1:
            line = statistics.linear_regression(*zip(*points, strict=True))
            least = math.exp(min(end for _, end in points))
            found[rung] = (max(0.0, line.slope), line.intercept, least)
    return found


LEAST_PAIRS = 4
"""Candidates that reached the end, from which on a rung's scores say what they let expect."""


def arrivals(labelled: Sequence[Labelled], weight: float = 1.0) -> list[Row]:
    """Of each bred candidate whose training ended, whether it came to a score (1) or not (0): what a rung
    turned away counts as turned away, also where it was trained on as an audit.
    """
    audited = {each.label.candidate for each in labelled if each.label.audited}
    return [
        Row(
            each.features,
            1.0,
            float(
                each.label.rung == FULL and bool(each.label.metrics) and each.label.candidate not in audited
            ),
            weight,
        )
        for each in labelled
        if each.label.ended and each.label.bred
    ]


def traces_of(store: Store, candidates: Sequence[int]) -> dict[int, Trace]:
    """The traces of those that have one which can be read, by candidate."""
    found = {}
    for candidate, stored in store.traces.many(candidates).items():
        try:
            found[candidate] = Trace.from_json(stored)
        except TraceError:
            continue  # A claim that can't be read says nothing.
    return found
