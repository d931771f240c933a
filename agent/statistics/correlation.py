"""Rank correlation, with an interval.

`evoarch status` shows it and has to start quickly: importing scipy.stats takes 0.6 s of CPU, as much as all
else. A test holds the ranks to scipy's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from evoarch.agent.statistics.intervals import Interval, Z


def rank_correlation(first: Sequence[float], second: Sequence[float]) -> float:
    """Spearman's rank correlation of pairs, -1 to 1; equal values share their mean rank. Neither may be
    constant. Infinite values rank first or last.
    """
    return float(np.corrcoef(_ranks(first), _ranks(second))[0, 1])


def _ranks(values: Sequence[float]) -> NDArray[np.float64]:
    """Ranks from 1, equal values at the mean of theirs."""
    _, place, count = np.unique(np.asarray(values, dtype=float), return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(count) - (count - 1) / 2)[place])


def spearman(first: Sequence[float], second: Sequence[float]) -> tuple[float, Interval]:
    """Spearman's rank correlation of at least four pairs, -1 to 1, and its interval at CONFIDENCE.

    Neither may be constant. Infinite values rank first or last. scipy gives no interval for it: this one is
    by Fisher's z with the standard error sqrt((1 + r^2 / 2) / (n - 3)) (Bonett and Wright 2000, Sample size
    requirements for estimating Pearson, Kendall and Spearman correlations).
    """
    r = rank_correlation(first, second)
    z = math.atanh(min(max(r, -0.999999), 0.999999))
    half = Z * math.sqrt((1.0 + r * r / 2.0) / (len(first) - 3))
    return r, Interval(min(r, math.tanh(z - half)), max(r, math.tanh(z + half)))
