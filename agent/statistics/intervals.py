"""Levels and intervals: the one place that says how sure a statement is.

`evoarch status` and `list` show intervals and have to start quickly: importing scipy.special takes
0.2 s of CPU, a third of their whole time. The two quantiles they need are solved for here, and tests hold
them to scipy's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CONFIDENCE = 0.95
"""Of every interval that does not say otherwise."""

ALPHA = 0.05
"""Two-sided significance level of every test: the chance that two equal things are called different."""

Z = 1.959963984540054
"""Two-sided standard normal quantile at CONFIDENCE."""

VariancePart = tuple[float, float]
"""One source of noise: its share of a mean's variance, and the degrees of freedom it is known to."""


@dataclass(frozen=True)
class Interval:
    """From `low` to `high`; of an error: 0 to 1."""

    low: float
    high: float


def spread_of_shares(one: float, count: int, other: float, other_count: int) -> float:
    """Standard error of the difference of two shares of `count` and `other_count` examples, were they equal:
    that of the pooled two-proportion z-test, smoothed by one success and one failure.
    """
    pooled = (one * count + other * other_count + 1) / (count + other_count + 2)
    return math.sqrt(pooled * (1 - pooled) * (1 / count + 1 / other_count))


def in_words(interval: Interval | None) -> str:
    """An interval as `0.036-0.057`; "" for None."""
    return f"{interval.low:.3f}-{interval.high:.3f}" if interval else ""


def t_interval(mean: float, parts: Sequence[VariancePart], confidence: float = CONFIDENCE) -> Interval:
    """Student's t interval of a mean, or of a difference of means, whose variance is the sum of `parts`.

    The degrees of freedom are Satterthwaite's (1946). With one part it is the usual t interval, with two
    that of Welch (1947). scipy has no function for more than two parts. Where all variances are 0, both
    ends are the mean.
    """
    variance = sum(value for value, _ in parts)
    if variance == 0:
        return Interval(mean, mean)
    # Shares of the whole, since the square of a tiny variance would be 0.
    freedom = 1.0 / sum((value / variance) ** 2 / degrees for value, degrees in parts)
    half = t_quantile(freedom, 1.0 - confidence) * math.sqrt(variance)
    return Interval(mean - half, mean + half)


def t_quantile(freedom: float, outside: float) -> float:
    """The number beyond which, on either side of 0, lies the share `outside` (above 0, below 1) of Student's
    distribution of `freedom` degrees (at least 1): half of it on each side. To 9 digits.
    """

    def beyond(t: float) -> float:
        """What lies above t, up to a constant factor."""
        return float(_WEIGHTS @ np.exp(-(freedom + 1) / 2 * np.log1p((t + _POINTS) ** 2 / freedom)))

    wanted, low, high = outside * beyond(0.0), 0.0, 1.0
    while beyond(high) > wanted:
        low, high = high, 2 * high
    while high - low > 1e-10 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if beyond(middle) > wanted else (low, middle)
    return high


# The exp-sinh rule for integrals from 0 to infinity (Takahasi and Mori 1974).
_STEPS = np.linspace(-4.0, 4.0, 401)
_POINTS = np.exp(np.pi / 2 * np.sinh(_STEPS))
_WEIGHTS = _POINTS * np.cosh(_STEPS)


def variance_of_mean(values: Sequence[float] | NDArray[np.float64]) -> VariancePart:
    """The squared standard error of the mean of `values`, at least two, and its degrees of freedom."""
    return float(np.var(values, ddof=1)) / len(values), len(values) - 1


def welch(first: Sequence[float], second: Sequence[float], confidence: float = CONFIDENCE) -> Interval:
    """Interval of mean(first) - mean(second) for unequal variances (Welch 1947); each has two values or more.

    Where neither group varies, nothing is known of the noise: the interval is everything.
    """
    parts = [variance_of_mean(first), variance_of_mean(second)]
    if (all_equal(first) and all_equal(second)) or all(variance == 0 for variance, _ in parts):
        return Interval(-math.inf, math.inf)
    return t_interval(float(np.mean(first) - np.mean(second)), parts, confidence)


def all_equal(values: Sequence[float]) -> bool:
    """Whether values differ by no more than their rounding: a variance of that would mean nothing."""
    return float(np.ptp(values)) <= 1e-9 * float(np.max(np.abs(values)))


def share_at_most(found: int, tried: int) -> float:
    """One-sided upper bound, at CONFIDENCE, of a share of which `found` of `tried` were seen.

    Clopper and Pearson (1934): under a larger share, so few would be seen by a chance below 1 - CONFIDENCE.
    """
    if found == tried:
        return 1.0
    seen = np.arange(found + 1)
    ways = np.concatenate([[0.0], np.cumsum(np.log((tried - seen[:-1]) / seen[1:]))])  # log binomials
    low, high = found / tried, 1.0
    while high - low > 1e-12:
        share = (low + high) / 2
        chance = np.exp(ways + seen * math.log(share) + (tried - seen) * math.log1p(-share)).sum()
        low, high = (share, high) if chance > 1.0 - CONFIDENCE else (low, share)
    return high


def wilson(error: float, examples: float) -> Interval:
    """Score interval of a share measured on `examples` (Wilson 1927).

    The closed form, since `examples` need not be whole here (noise.py), which scipy's does not take.
    """
    square = Z * Z / examples
    centre = (error + square / 2) / (1 + square)
    half = Z / (1 + square) * math.sqrt(error * (1 - error) / examples + square / (4 * examples))
    return Interval(max(0.0, centre - half), min(1.0, centre + half))


def wilson_high(errors: NDArray[np.float64], examples: NDArray[np.float64]) -> NDArray[np.float64]:
    """`wilson(...).high` of many at once: `errors` and `examples` are (n,), and so is the answer."""
    square = Z * Z / examples
    half = Z * np.sqrt(errors * (1 - errors) / examples + square / (4 * examples))
    return np.asarray(np.minimum(1.0, (errors + square / 2 + half) / (1 + square)))


def examples(error: float, correct: bytes) -> int:
    """How many validation examples `correct` holds a bit for.

    Its last byte is padded; the smoothed error (wrong + 1) / (n + 2) and the count of set bits tell n. Where
    a task's error is no such share, it is n to within the padding.
    """
    right = int(bits_of(correct).sum())
    most = 8 * len(correct)
    if error >= 1.0:
        return most
    return min(most, max(most - 7, round((right - 1 + 2 * error) / (1 - error))))


def bits_of(correct: bytes) -> NDArray[np.uint8]:
    """The bits of `correct` as zeros and ones, (8 x bytes,); the last byte is padded with zeros."""
    return np.unpackbits(np.frombuffer(correct, dtype=np.uint8))
