"""What rungs and the filter turned away, and an estimate of what that cost, from the audits."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import beta, norm, rankdata

from evoarch.agent.evaluation.halving import Decision
from evoarch.archive.records import State
from evoarch.archive.store import Store
from evoarch.evaluators.zero_cost import PARAMS

LEVEL = 0.95
"""Confidence of the bounds and intervals."""


@dataclass(frozen=True)
class RungStatus:
    """Bred children on one rung. arrived = promoted + stopped + rejected; seeds, and children that go on as
    an audit of an earlier rung, are not among them.

    Of those that were turned away (stopped or rejected), `audited` were trained in full anyway and have come
    to an outcome; `audited_elites` of these are on the front now. `missed` estimates by their share how many
    of the others would be; `missed_at_most` is the one-sided 95% bound (Clopper and Pearson 1934).
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
    """One for the filter and each rung before the last, in order, if somebody was judged there.

    `elites`: the front's ids.
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
        missed_at_most=others * upper_share(found, len(ended)),
    )


def upper_share(found: int, tried: int) -> float:
    """The largest share of which `found` of `tried` would still be no surprise."""
    return 1.0 if found == tried else float(beta.ppf(LEVEL, found + 1, tried - found))


def in_words(rung: RungStatus) -> str:
    """One line for people."""
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
    """Interval by Fisher's z with the standard error sqrt((1 + r^2 / 2) / (n - 3)) (Bonett and Wright 2000,
    Sample size requirements for estimating Pearson, Kendall and Spearman correlations). -inf is the lowest.
    """
    count = len(values)
    if count < LEAST or len(set(values)) == 1 or len(set(errors)) == 1:
        return ScoreCorrelation(score, count)
    # Ranks first: a correlation of values could not say where -inf stands.
    r = float(np.corrcoef(rankdata(values), rankdata([-error for error in errors]))[0, 1])
    z, half = math.atanh(min(max(r, -0.999999), 0.999999)), norm.ppf(0.5 + LEVEL / 2)
    half *= math.sqrt((1.0 + r * r / 2.0) / (count - 3))
    return ScoreCorrelation(score, count, r, min(r, math.tanh(z - half)), max(r, math.tanh(z + half)))


def concordance(
    values: Sequence[float], errors: Sequence[float], params: Sequence[float], band: float
) -> tuple[float, int]:
    """Kendall's tau-a of `values` with accuracy over those pairs whose `params` differ by at most the factor
    `band`, and how many these are; (nan, 0) without any. Pairs that tie in either count as 0.
    """
    value, error, size = (np.asarray(each, np.float64) for each in (values, errors, params))
    one, other = np.triu_indices(len(value), k=1)
    near = np.maximum(size[one], size[other]) <= band * np.minimum(size[one], size[other])
    one, other = one[near], other[near]
    if not len(one):
        return math.nan, 0
    # Compared, not subtracted: -inf less -inf is no number.
    up = (value[one] > value[other]).astype(int) - (value[one] < value[other])
    return float(np.mean(up * np.sign(error[other] - error[one]))), len(one)


def score_correlations(store: Store) -> list[ScoreCorrelation]:
    """Each score that this campaign took, and the parameter count beside them; empty where it took none."""
    finished = store.filter.scored()
    names = sorted({name for scores, _ in finished for name in scores} - {PARAMS})
    if not names:
        return []
    return [_of(name, finished) for name in (*names, PARAMS)]


def _of(name: str, finished: Sequence[tuple[Mapping[str, float], float]]) -> ScoreCorrelation:
    told = [(scores[name], error) for scores, error in finished if name in scores]
    return score_correlation(name, [value for value, _ in told], [error for _, error in told])


def correlation_in_words(one: ScoreCorrelation) -> str:
    """One line for people."""
    said = f"{one.score} and accuracy of {one.count} finished children: "
    if one.spearman is None:
        return f"{said}too few, or all alike, for a correlation"
    return f"{said}Spearman {one.spearman:.2f} (95% {one.low:.2f} to {one.high:.2f})"
