"""What a difference between arms is worth: exact tests, Holm's correction, intervals, effect sizes."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from evoarch.agent.statistics.intervals import ALPHA, all_equal, t_interval, variance_of_mean, welch

MOST_EXACT = 200_000
"""Regroupings up to which the test is exact; above it, so many are drawn at random."""


POWER = 0.8
"""The chance to see a difference that is there, by which runs are counted; Cohen's (1988)."""


@dataclass(frozen=True)
class Difference:
    """Arm `first` against arm `second` on one measure, as mean(first) - mean(second).

    `low` and `high`: interval of the difference at CONFIDENCE (Welch 1947); the mean alone where an arm has
    one value or equal ones. `effect`: the share of pairs of runs that
    `first` wins, ties half (Vargha and Delaney 2000's A): 0.5 is no difference. `p`: two-sided permutation
    test of the means; `corrected`: after Holm's correction over all pairs of arms.
    """

    first: str
    second: str
    mean: float
    low: float
    high: float
    effect: float
    p: float
    corrected: float
    exact: bool

    @property
    def told_apart(self) -> bool:
        """Whether the corrected test rejects that the arms are equal, at ALPHA."""
        return self.corrected < ALPHA


def permutation(a: Sequence[float], b: Sequence[float]) -> tuple[float, bool]:
    """Two-sided p of equal means, and whether every regrouping was looked at.

    1.0 where a group has fewer than two values: nothing can be said then.
    """
    if min(len(a), len(b)) < 2:
        return 1.0, True
    from scipy import stats

    scale = float(np.max(np.abs([*a, *b]))) or 1.0
    found = stats.permutation_test(
        (np.asarray(a) / scale, np.asarray(b) / scale),
        # Regroupings that tie but for the rounding of their sums have to count as ties.
        lambda x, y, axis: np.round(np.mean(x, axis=axis) - np.mean(y, axis=axis), 12),
        permutation_type="independent",
        alternative="two-sided",
        n_resamples=MOST_EXACT,
        vectorized=True,
        rng=np.random.default_rng(0),
    )
    return float(found.pvalue), math.comb(len(a) + len(b), len(a)) <= MOST_EXACT


def least_p(first: int, second: int) -> float:
    """The smallest two-sided p that groups of these sizes can give."""
    return 1.0 if min(first, second) < 2 else 2 / math.comb(first + second, first)


def values_needed(a: Sequence[float], b: Sequence[float], pairs: int = 1) -> int | None:
    """How many values of each tell the two means apart with a chance of POWER, if means and spread are as
    they seem, where `pairs` of arms are compared. None: nothing can be said, or no number is enough.

    The normal approximation of two independent means (Cohen 1988, 2.4), at the level of the strictest of
    Holm's steps, and never fewer than the permutation test needs.
    """
    if min(len(a), len(b)) < 2 or not (apart := float(np.mean(a) - np.mean(b))):
        return None
    level = ALPHA / pairs
    z = NormalDist().inv_cdf(1 - level / 2) + NormalDist().inv_cdf(POWER)
    spread = float(np.var(a, ddof=1) + np.var(b, ddof=1))
    fewest = next(count for count in itertools.count(2) if least_p(count, count) < level)
    return max(fewest, math.ceil(spread * (z / apart) ** 2))


def holm(values: Sequence[float]) -> list[float]:
    """Holm's step-down correction (Holm 1979): p values that may be compared with one level."""
    order = np.argsort(values)
    corrected, most = [0.0] * len(values), 0.0
    for place, index in enumerate(order):
        most = max(most, min(1.0, (len(values) - place) * values[index]))
        corrected[index] = most
    return corrected


def effect(a: Sequence[float], b: Sequence[float]) -> float:
    """P(a > b) + P(a = b) / 2 over all pairs: A of Vargha and Delaney (2000), the U statistic as a share."""
    from scipy import stats

    return float(stats.mannwhitneyu(a, b, method="asymptotic").statistic) / (len(a) * len(b))


def interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Mean and its interval at CONFIDENCE (Student's t); of one value, or of equal ones, the mean alone."""
    mean = float(np.mean(values))
    if len(values) < 2 or all_equal(values):
        return mean, mean, mean
    found = t_interval(mean, [variance_of_mean(values)])
    return mean, found.low, found.high


def differences(values: Mapping[str, Sequence[float]], *, up: bool) -> list[Difference]:
    """Every pair of arms on one measure; `up`: more is better, so that `effect` counts wins."""
    pairs = list(itertools.combinations(values, 2))
    tests = [permutation(values[a], values[b]) for a, b in pairs]
    found = []
    for (a, b), (p, exact), corrected in zip(pairs, tests, holm([p for p, _ in tests]), strict=True):
        mean, low, high = _difference(values[a], values[b])
        wins = effect(values[a], values[b])
        found.append(Difference(a, b, mean, low, high, wins if up else 1 - wins, p, corrected, exact))
    return found


def _difference(a: Sequence[float], b: Sequence[float]) -> tuple[float, float, float]:
    mean = float(np.mean(a) - np.mean(b))
    if min(len(a), len(b)) < 2 or all_equal(a) or all_equal(b):
        return mean, mean, mean
    found = welch(a, b)
    return mean, found.low, found.high
