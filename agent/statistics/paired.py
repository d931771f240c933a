"""Is a difference more than noise: intervals of an error, and paired comparison on the same examples."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evoarch.agent.statistics.intervals import _bits, examples, quantile
from evoarch.archive.records import FULL, Evaluation, Scored

LEVEL = 0.05
"""How often two candidates that are equal may be told apart."""


@dataclass(frozen=True)
class Paired:
    """Two candidates on the same validation examples: error of the first minus that of the other.

    `low` and `high` are the ends of its interval at 1 - LEVEL, over the examples and over the `seeds` and
    `other_seeds` training seeds that each has. `gained` and `lost` count examples that the first gets right
    more, and less, often than the other.
    """

    mean: float
    low: float
    high: float
    seeds: int
    other_seeds: int
    gained: int
    lost: int

    @property
    def significant(self) -> bool:
        """Whether the difference is more than noise: the interval does not hold zero."""
        return not self.low <= 0.0 <= self.high


def paired(
    child: Sequence[Evaluation],
    other: Sequence[Evaluation],
    *,
    dispersion: float,
    freedom: int,
    among: int = 1,
) -> Paired | None:
    """None where either kept no bits on the last rung, or the bits are of different examples.

    Examples are paired, seeds are not: the same seed means nothing to another model. With wrong answers a and
    b (means over seeds) of each of n examples the variance of the difference is Var(a - b) / n, and for the
    seeds D p (1 - p) / S of each, with D = `dispersion` known to `freedom` degrees (noise.py). The
    interval is Student's t with Satterthwaite's degrees of freedom (1946). The first holds a part of the
    second, as in a two-way bootstrap (Owen 2007, "The pigeonhole bootstrap"), so it is on the safe side.
    `among`: how many candidates the first was picked from as the best; the level is shared among them all
    (Bonferroni), since the best of many equals looks better than it is.
    """
    mine, theirs = _kept(child), _kept(other)
    if len({len(bits) for _, bits in (*mine, *theirs)}) != 1 or not (mine and theirs):
        return None
    count = min(examples(error, bits) for error, bits in (*mine, *theirs))
    first, second = _wrong(mine, count), _wrong(theirs, count)
    apart = first.mean(axis=0) - second.mean(axis=0)
    parts = [(sum(dispersion * _spread(wrong) / len(wrong) for wrong in (first, second)), freedom)]
    if count > 1:
        parts.append((float(apart.var(ddof=1)) / count, count - 1))
    half = quantile(parts, LEVEL / max(1, among)) * math.sqrt(sum(variance for variance, _ in parts))
    mean = float(apart.mean())
    gained, lost = int((apart < 0).sum()), int((apart > 0).sum())
    return Paired(mean, mean - half, mean + half, len(first), len(second), gained, lost)


def _spread(wrong: NDArray[np.float64]) -> float:
    """p (1 - p) of the smoothed error."""
    p = (wrong.mean() * wrong.shape[1] + 1) / (wrong.shape[1] + 2)
    return float(p * (1 - p))


def _kept(evaluations: Sequence[Evaluation]) -> list[tuple[float, bytes]]:
    """Error and bits of each training seed on the last rung, from scratch where there is any such."""
    kept = [
        (e.outcome.metrics["error"], e.correct, "inherited" in e.detail)
        for e in evaluations
        if e.rung == FULL and isinstance(e.outcome, Scored) and e.correct
    ]
    cold = [each for each in kept if not each[2]]
    return [(error, bits) for error, bits, _ in cold or kept]


def _wrong(kept: Sequence[tuple[float, bytes]], count: int) -> NDArray[np.float64]:
    """Wrong answers, (seeds, examples)."""
    return np.asarray(1.0 - np.stack([_bits(bits)[:count] for _, bits in kept]))
