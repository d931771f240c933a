"""Intervals of an error."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

Z = 1.959963984540054
"""Standard normal quantile of 97.5%: intervals are of 95%."""


@dataclass(frozen=True)
class Interval:
    """A 95% interval of an error, 0..1."""

    low: float
    high: float


def in_words(interval: Interval | None) -> str:
    """`0.036-0.057`, or nothing."""
    return f"{interval.low:.3f}-{interval.high:.3f}" if interval else ""


def wilson(error: float, examples: float) -> Interval:
    """Wilson score interval of a share measured on `examples` (Wilson 1927), which need not be whole."""
    square = Z * Z / examples
    centre = (error + square / 2) / (1 + square)
    half = Z / (1 + square) * math.sqrt(error * (1 - error) / examples + square / (4 * examples))
    return Interval(max(0.0, centre - half), min(1.0, centre + half))


def wilson_high(errors: NDArray[np.float64], examples: NDArray[np.float64]) -> NDArray[np.float64]:
    """`wilson(...).high` of many at once."""
    square = Z * Z / examples
    half = Z * np.sqrt(errors * (1 - errors) / examples + square / (4 * examples))
    return np.asarray(np.minimum(1.0, (errors + square / 2 + half) / (1 + square)))


def examples(error: float, correct: bytes) -> int:
    """How many validation examples `correct` holds a bit for.

    Its last byte is padded; the smoothed error (wrong + 1) / (n + 2) and the count of set bits tell n. Where
    a task's error is no such share, it is n to within the padding.
    """
    right = int(_bits(correct).sum())
    most = 8 * len(correct)
    if error >= 1.0:
        return most
    return min(most, max(most - 7, round((right - 1 + 2 * error) / (1 - error))))


def quantile(parts: Sequence[tuple[float, float]], level: float) -> float:
    """Student's t for a two-sided `level`, of a sum of variances that are known to some degrees of freedom
    each (Satterthwaite 1946).
    """
    whole = sum(variance for variance, _ in parts)
    if whole == 0:
        return 0.0
    freedom = whole**2 / sum(variance**2 / degrees for variance, degrees in parts)
    return float(stdtrit(freedom, 1.0 - level / 2))


def _bits(correct: bytes) -> NDArray[np.uint8]:
    return np.unpackbits(np.frombuffer(correct, dtype=np.uint8))
