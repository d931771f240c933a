"""Early stopping looked at afterwards: what the rungs and the filter stopped, and what that may have cost.

A small share of the stopped children is trained in full anyway (audits). They tell how many elites were
missed.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from evoarch.agent.base.decision import Decision
from evoarch.agent.statistics.correlation import spearman
from evoarch.agent.statistics.intervals import share_at_most
from evoarch.archive.records import State
from evoarch.archive.store import Store
from evoarch.evaluators.zero_cost import PARAMS


@dataclass(frozen=True)
class RungStatus:
    """Counts of bred children on one rung, or at the filter; arrived = promoted + stopped + rejected.

    Seeds are not counted, nor children that train on as the audit of an earlier rung. Of the stopped and
    rejected, `audited` were trained in full anyway and have an outcome; `audited_elites` of these are on the
    front now. `missed` estimates from their share how many of the others would be; `missed_at_most` is the
    one-sided 95% bound of that (Clopper and Pearson 1934).
    """

    name: str
    arrived: int
    promoted: int
    stopped: int
    rejected: int
    audited: int
    audited_elites: int
    missed: float | None
    missed_at_most: float


def rung_statuses(store: Store, elites: Collection[int]) -> list[RungStatus]:
    """One for the filter and each rung before the last where a child was judged, in order.

    `elites`: the ids of the candidates on the front.
    """
    found = [_status(store, name, counts, elites) for name, counts in store.totals.rungs().items()]
    return [each for each in found if each.arrived]


def _status(store: Store, name: str, counts: dict[str, int], elites: Collection[int]) -> RungStatus:
    def count(*decisions: Decision) -> int:
        return sum(counts.get(decision.value, 0) for decision in decisions)

    promoted = count(Decision.PROMOTED)
    stopped = count(Decision.STOPPED, Decision.AUDITED_STOPPED)
    rejected = count(Decision.REJECTED, Decision.AUDITED_REJECTED)
    tried = store.totals.decided_as((Decision.AUDITED_STOPPED, Decision.AUDITED_REJECTED), name)
    ended = [c.id for c in store.browse.some(tried) if c.state in (State.SCORED, State.FAILED)]
    found = len({*ended} & {*elites})
    others = count(Decision.STOPPED, Decision.REJECTED)
    return RungStatus(
        name=name,
        arrived=promoted + stopped + rejected,
        promoted=promoted,
        stopped=stopped,
        rejected=rejected,
        audited=len(ended),
        audited_elites=found,
        missed=others * found / len(ended) if ended else None,
        missed_at_most=others * share_at_most(found, len(ended)),
    )


def in_words(rung: RungStatus) -> str:
    """A rung's counts and estimate in one line."""
    said = f"{rung.name}: {rung.arrived} arrived, {rung.promoted} promoted, {rung.stopped} stopped, "
    said += f"{rung.rejected} rejected"
    if not rung.stopped + rung.rejected:
        return said
    if rung.missed is None:
        return f"{said}; of those turned away none was trained in full yet"
    return (
        f"{said}; of {rung.audited} turned away and trained in full anyway {rung.audited_elites} are on the "
        f"front: about {rung.missed:.1f} elites missed, at most {rung.missed_at_most:.0f} (95%)"
    )


LEAST = 5
"""Finished children below which no correlation is told: its interval would be nearly everything."""


@dataclass(frozen=True)
class ScoreCorrelation:
    """Spearman's rank correlation of a score with the accuracy (1 - error) of `count` finished children, and
    its interval (`low`, `high`); None where there are too few, or all are alike.
    """

    score: str
    count: int
    spearman: float | None = None
    low: float | None = None
    high: float | None = None


def score_correlation(score: str, values: Sequence[float], errors: Sequence[float]) -> ScoreCorrelation:
    """The correlation of a score's `values` with the `errors` (0 to 1) of the same children.

    A score of -inf is the lowest.
    """
    count = len(values)
    if count < LEAST or len(set(values)) == 1 or len(set(errors)) == 1:
        return ScoreCorrelation(score, count)
    r, interval = spearman(values, [-error for error in errors])
    return ScoreCorrelation(score, count, r, interval.low, interval.high)


def score_correlations(store: Store) -> list[ScoreCorrelation]:
    """One for each score that the campaign computes, and for the parameter count; [] without any score."""
    finished = store.filter.scored()
    names = sorted({name for scores, _ in finished for name in scores} - {PARAMS})
    if not names:
        return []
    return [_of(name, finished) for name in (*names, PARAMS)]


def _of(name: str, finished: Sequence[tuple[Mapping[str, float], float]]) -> ScoreCorrelation:
    told = [(scores[name], error) for scores, error in finished if name in scores]
    return score_correlation(name, [value for value, _ in told], [error for _, error in told])


def correlation_in_words(one: ScoreCorrelation) -> str:
    """A correlation and its interval in one line."""
    said = f"{one.score} and accuracy of {one.count} finished children: "
    if one.spearman is None:
        return f"{said}too few, or all alike, for a correlation"
    return f"{said}Spearman {one.spearman:.2f} (95% {one.low:.2f} to {one.high:.2f})"
