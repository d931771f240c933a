"""From what was right to intervals, and to the one claim that a confirmation makes.

An error has two sources of noise: the training seed, and the examples. Both are in every interval: with
W[s, i] the share that seed s got wrong of example i, the mean over all has variance
Var_s(mean_i W) / S + Var_i(mean_s W) / n, and Satterthwaite's degrees of freedom (1946). The second term also
holds a little of the first, so the interval is on the safe side.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Right = NDArray[np.float32]
"""Of each example, how much was right: (n,), 0 to 1."""
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Estimate:
    """An error, or a difference of errors, with its interval at CONFIDENCE."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{100 * self.mean:.2f}% [{100 * self.low:.2f}, {100 * self.high:.2f}]"


def estimate(right: Sequence[Right]) -> Estimate:
    """The error of one candidate: `right` is one array for each training seed, of the same examples.

    With one seed the interval knows nothing of other seeds; it is the one over examples.
    """
    wrong = _wrong(right)
    found = _interval(float(wrong.mean()), [_seeds(wrong), _examples(wrong.mean(0))])
    return Estimate(found.mean, max(0.0, found.low), min(1.0, found.high))


def difference(first: Sequence[Right], second: Sequence[Right]) -> Estimate:
    """Error of `first` minus error of `second` on the same examples: paired by example, not by seed."""
    a, b = _wrong(first), _wrong(second)
    parts = [_seeds(a), _seeds(b), _examples(a.mean(0) - b.mean(0))]
    return _interval(float(a.mean() - b.mean()), parts)


def improved(first: Sequence[Right], second: Sequence[Right]) -> bool:
    """Whether `first` may be called better than `second`: the whole interval of the difference is below 0."""
    return difference(first, second).high < 0


Part = tuple[float, int]
"""A variance of a mean, and its degrees of freedom."""


def _wrong(right: Sequence[Right]) -> NDArray[np.float64]:
    wrong: NDArray[np.float64] = 1.0 - np.stack(right).astype(np.float64)
    return wrong


def _seeds(wrong: NDArray[np.float64]) -> Part:
    errors = wrong.mean(1)
    return (float(errors.var(ddof=1)) / len(errors), len(errors) - 1) if len(errors) > 1 else (0.0, 1)


def _examples(rates: NDArray[np.float64]) -> Part:
    return float(rates.var(ddof=1)) / len(rates), len(rates) - 1


def _interval(mean: float, parts: Sequence[Part]) -> Estimate:
    variance = sum(value for value, _ in parts)
    if variance == 0:
        return Estimate(mean, mean, mean)
    freedom = variance**2 / sum(value**2 / degrees for value, degrees in parts)
    half = float(stats.t.ppf((1 + CONFIDENCE) / 2, freedom)) * variance**0.5
    return Estimate(mean, mean - half, mean + half)
