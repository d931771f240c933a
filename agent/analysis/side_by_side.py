"""A few chosen candidates beside each other: their numbers, each pair tested, and whom they all come from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from evoarch.agent.analysis.verdict import CandidateComparison, compared
from evoarch.agent.statistics.intervals import Interval
from evoarch.agent.statistics.noise import read_noise
from evoarch.agent.statistics.paired import paired
from evoarch.archive.records import Candidate
from evoarch.archive.store import Store

MOST = 6
"""Candidates that are compared at once."""


@dataclass(frozen=True)
class SideBySide:
    """`candidates`, with sources, in the order they were asked for. `metrics`: the names of all that any has.

    `pairs`: (first, comparison with the other) of each two with scores; their intervals allow for that many
    pairs. `ancestor`: the nearest that all of them come from or are; None where they have none in common.
    """

    candidates: Sequence[Candidate]
    metrics: Sequence[str]
    intervals: Mapping[int, Interval | None]
    costs: Mapping[int, float]
    pairs: Sequence[tuple[int, CandidateComparison]]
    ancestor: Candidate | None

    def lowest(self, metric: str) -> float | None:
        """The lowest value that any of them has."""
        return min((c.metrics[metric] for c in self.candidates if metric in c.metrics), default=None)


def side_by_side(store: Store, candidates: Sequence[Candidate]) -> SideBySide:
    """`candidates` compared. The same examples are paired, and both noises count
    (agent.statistics.paired).
    """
    noise = read_noise(store)
    having = [c for c in candidates if "error" in c.metrics and "params" in c.metrics]
    evaluations = {c.id: store.evaluations(c.id) for c in having}
    every = list(combinations(having, 2))
    pairs = []
    for one, other in every:
        found = paired(
            evaluations[one.id],
            evaluations[other.id],
            dispersion=noise.dispersion,
            freedom=noise.freedom,
            among=len(every),
        )
        pairs.append((one.id, compared("other", one, other, found)))
    known = [name for name in store.browse.metrics() if any(name in c.metrics for c in candidates)]
    return SideBySide(
        candidates,
        known,
        {c.id: noise.interval(c.metrics.get("error"), c.seeds) for c in candidates},
        store.browse.costs([c.id for c in candidates]),
        pairs,
        _common(store, candidates),
    )


def _common(store: Store, candidates: Sequence[Candidate]) -> Candidate | None:
    """The one of the highest generation, of equals the newest."""
    lines = [set(store.browse.related([c.id], up=True)) for c in candidates]
    shared = store.browse.some(sorted(set.intersection(*lines))) if lines else []
    return max(shared, key=lambda c: (c.generation, c.id), default=None)
