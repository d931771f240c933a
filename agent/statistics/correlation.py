"""Rank correlation with an interval."""

from __future__ import annotations

import math
from collections.abc import Sequence

from evoarch.agent.statistics.intervals import Interval, Z


def spearman(first: Sequence[float], second: Sequence[float]) -> tuple[float, Interval]:
    """Spearman's rank correlation of at least four pairs, -1 to 1, and its interval at CONFIDENCE.

    Neither may be constant. Infinite values rank first or last. scipy gives no interval for it: this one is
    by Fisher's z with the standard error sqrt((1 + r^2 / 2) / (n - 3)) (Bonett and Wright 2000, Sample size
    requirements for estimating Pearson, Kendall and Spearman correlations).
    """
    from scipy.stats import spearmanr

    r = float(spearmanr(first, second).statistic)
    z = math.atanh(min(max(r, -0.999999), 0.999999))
    half = Z * math.sqrt((1.0 + r * r / 2.0) / (len(first) - 3))
    return r, Interval(min(r, math.tanh(z - half)), max(r, math.tanh(z + half)))
