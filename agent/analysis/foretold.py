"""How well a number known before training tells the errors after it: rank correlations, with intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm, rankdata

from evoarch.archive.store import Store
from evoarch.evaluators.zero_cost import PARAMS

LEVEL = 0.95
"""Confidence of the intervals, two-sided."""

LEAST = 5
"""Finished children below which no correlation is told: its interval would be nearly everything."""


@dataclass(frozen=True)
class Foretold:
    """Spearman's rank correlation of a score with the accuracy (1 - error) of `count` finished children, and
    its interval (`low`, `high`); None where there are too few, or all are alike.
    """

    score: str
    count: int
    spearman: float | None = None
    low: float | None = None
    high: float | None = None


def foretold(score: str, values: Sequence[float], errors: Sequence[float]) -> Foretold:
    """Interval by Fisher's z with the standard error sqrt((1 + r^2 / 2) / (n - 3)) (Bonett and Wright 2000,
    Sample size requirements for estimating Pearson, Kendall and Spearman correlations). -inf is the lowest.
    """
    count = len(values)
    if count < LEAST or len(set(values)) == 1 or len(set(errors)) == 1:
        return Foretold(score, count)
    # Ranks first: a correlation of values could not say where -inf stands.
    r = float(np.corrcoef(rankdata(values), rankdata([-error for error in errors]))[0, 1])
    z, half = math.atanh(min(max(r, -0.999999), 0.999999)), norm.ppf(0.5 + LEVEL / 2)
    half *= math.sqrt((1.0 + r * r / 2.0) / (count - 3))
    return Foretold(score, count, r, min(r, math.tanh(z - half)), max(r, math.tanh(z + half)))


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


def foretold_in(store: Store) -> list[Foretold]:
    """Each score that this campaign took, and the parameter count beside them; empty where it took none."""
    finished = store.screened_and_scored()
    names = sorted({name for scores, _ in finished for name in scores} - {PARAMS})
    if not names:
        return []
    return [_of(name, finished) for name in (*names, PARAMS)]


def _of(name: str, finished: Sequence[tuple[Mapping[str, float], float]]) -> Foretold:
    told = [(scores[name], error) for scores, error in finished if name in scores]
    return foretold(name, [value for value, _ in told], [error for _, error in told])


def in_words(one: Foretold) -> str:
    """One line for people."""
    said = f"{one.score} and accuracy of {one.count} finished children: "
    if one.spearman is None:
        return f"{said}too few, or all alike, for a correlation"
    return f"{said}Spearman {one.spearman:.2f} (95% {one.low:.2f} to {one.high:.2f})"
