"""Is a difference more than noise: intervals of an error, and paired comparison on the same examples."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from archive.records import Evaluation, Scored

Z = 1.959963984540054
"""Standard normal quantile of 97.5%: intervals are of 95%."""

LEVEL = 0.05
"""A two-sided p-value at or above this is within the noise."""


@dataclass(frozen=True)
class Interval:
    """A 95% interval of an error, 0..1."""

    low: float
    high: float


def wilson(error: float, examples: int) -> Interval:
    """Wilson score interval of a share measured on `examples` (Wilson 1927)."""
    square = Z * Z / examples
    centre = (error + square / 2) / (1 + square)
    half = Z / (1 + square) * math.sqrt(error * (1 - error) / examples + square / (4 * examples))
    return Interval(max(0.0, centre - half), min(1.0, centre + half))


def examples(error: float, correct: bytes) -> int:
    """How many validation examples `correct` holds a bit for.

    Its last byte is padded; the smoothed error (wrong + 1) / (n + 2) and the count of set bits tell n.
    """
    right = int(_bits(correct).sum())
    if error >= 1.0:
        return 8 * len(correct)
    return round((right - 1 + 2 * error) / (1 - error))


@dataclass(frozen=True)
class Paired:
    """Two candidates on the same validation examples, over the training repeats that both have.

    `gained` and `lost` count examples that the first gets right more, and less, often than the other.
    `p` is the exact two-sided sign test over those (with one repeat: McNemar's exact test). `better` of
    `repeats` training repeats had a lower error.
    """

    gained: int
    lost: int
    p: float
    better: int
    repeats: int

    @property
    def significant(self) -> bool:
        return self.p < LEVEL


def paired(child: Sequence[Evaluation], other: Sequence[Evaluation]) -> Paired | None:
    """None where they share no scored repeat that kept its bits, or the bits are of different examples."""
    mine, theirs = _bits_by_repeat(child), _bits_by_repeat(other)
    shared = sorted(mine.keys() & theirs.keys())
    sizes = {len(bits[repeat]) for bits in (mine, theirs) for repeat in shared}
    if not shared or len(sizes) != 1:
        return None
    difference = sum(
        (mine[repeat].astype(int) - theirs[repeat].astype(int) for repeat in shared),
        np.zeros(sizes.pop(), dtype=int),
    )
    gained, lost = int((difference > 0).sum()), int((difference < 0).sum())
    better = sum(int(mine[repeat].sum()) > int(theirs[repeat].sum()) for repeat in shared)
    return Paired(gained, lost, sign_test(gained, lost), better, len(shared))


def sign_test(one: int, other: int) -> float:
    """Exact two-sided p-value that a fair coin splits `one + other` throws at least this unevenly."""
    total, least = one + other, min(one, other)
    if total == 0:
        return 1.0
    tail = sum(math.comb(total, k) for k in range(least + 1))
    return min(1.0, float(2 * tail / 2**total))


def _bits(correct: bytes) -> NDArray[np.uint8]:
    return np.unpackbits(np.frombuffer(correct, dtype=np.uint8))


def _bits_by_repeat(evaluations: Sequence[Evaluation]) -> Mapping[tuple[str, int], NDArray[np.uint8]]:
    return {
        (e.rung, e.seed): _bits(e.correct) for e in evaluations if isinstance(e.outcome, Scored) and e.correct
    }
