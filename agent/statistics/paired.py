"""Is a difference more than noise: two candidates on the same examples.

`paired` compares candidates of a campaign, of which most have one training seed: the noise of seeds is the
campaign's pooled one (noise.py). `estimate` and `difference` are those of a confirmation, which trains each
candidate with several seeds and so measures that noise: with W[s, i] the share that seed s got wrong of
example i, the mean over all has variance Var_s(mean_i W) / S + Var_i(mean_s W) / n. The second term also
holds a little of the first, so the intervals are on the safe side.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evoarch.agent.statistics.intervals import (
    ALPHA,
    CONFIDENCE,
    VariancePart,
    bits_of,
    examples,
    t_interval,
    variance_of_mean,
)
from evoarch.archive.records import FULL, Evaluation, Scored

Right = NDArray[np.float32]
"""How much was right of each example: (n,), 0 to 1."""


@dataclass(frozen=True)
class Paired:
    """Two candidates on the same validation examples: error of the first minus that of the other.

    `low` and `high` are the ends of its interval at 1 - ALPHA, over the examples and over the `seeds` and
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
    """`child` against `other`, each by its evaluations of one or more training seeds.

    None where either kept no bits on the last rung, or the bits are of different examples.
    Examples are paired, seeds are not: the same seed means nothing to another model. With wrong answers a and
    b (means over seeds) of each of n examples the variance of the difference is Var(a - b) / n, and for the
    seeds D p (1 - p) / S of each, with D = `dispersion` known to `freedom` degrees (noise.py). The
    interval is Student's t with Satterthwaite's degrees of freedom (1946). The first holds a part of the
    second, as in a two-way bootstrap (Owen 2007, "The pigeonhole bootstrap"), so it is on the safe side.
    `among`: how many candidates the first was picked from as the best; the level is shared among them all
    (Bonferroni), since the best of many equals looks better than it is.
    """
    both = _on_the_same(child, other)
    if both is None:
        return None
    first, second = both
    count = first.shape[1]
    apart = first.mean(axis=0) - second.mean(axis=0)
    of_seeds = sum(dispersion * _spread(wrong) / len(wrong) for wrong in (first, second))
    parts: list[VariancePart] = [(of_seeds, freedom)]
    if count > 1:
        parts.append(variance_of_mean(apart))
    mean = float(apart.mean())
    found = t_interval(mean, parts, 1.0 - ALPHA / max(1, among))
    gained, lost = int((apart < 0).sum()), int((apart > 0).sum())
    return Paired(mean, found.low, found.high, len(first), len(second), gained, lost)


@dataclass(frozen=True)
class ExamplesApart:
    """Which validation examples one candidate gets right and another does not: places in the split, from 0.

    `gained`: right more often over the training seeds of the first than over those of the other; `lost`: less
    often. `right` and `wrong` count those that both get right, and wrong, with every seed; `total` all.
    """

    gained: Sequence[int]
    lost: Sequence[int]
    right: int
    wrong: int
    total: int


def examples_apart(child: Sequence[Evaluation], other: Sequence[Evaluation]) -> ExamplesApart | None:
    """`child` against `other`, example by example; None as in `paired`."""
    both = _on_the_same(child, other)
    if both is None:
        return None
    first, second = (wrong.mean(axis=0) for wrong in both)
    return ExamplesApart(
        [int(place) for place in np.flatnonzero(first < second)],
        [int(place) for place in np.flatnonzero(first > second)],
        int(((first == 0) & (second == 0)).sum()),
        int(((first == 1) & (second == 1)).sum()),
        len(first),
    )


def _on_the_same(
    child: Sequence[Evaluation], other: Sequence[Evaluation]
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Wrong answers of both, (seeds, examples); None where they kept no bits of the same examples."""
    mine, theirs = _kept(child), _kept(other)
    if len({len(bits) for _, bits in (*mine, *theirs)}) != 1 or not (mine and theirs):
        return None
    count = min(examples(error, bits) for error, bits in (*mine, *theirs))
    return _wrong_answers(mine, count), _wrong_answers(theirs, count)


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


def _wrong_answers(kept: Sequence[tuple[float, bytes]], count: int) -> NDArray[np.float64]:
    """Wrong answers, (seeds, examples)."""
    return np.asarray(1.0 - np.stack([bits_of(bits)[:count] for _, bits in kept]))


@dataclass(frozen=True)
class Estimate:
    """An error (0 to 1), or a difference of errors, with its interval at CONFIDENCE."""

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
    mean = float(wrong.mean())
    found = t_interval(mean, [_seeds(wrong), variance_of_mean(wrong.mean(0))])
    return Estimate(mean, max(0.0, found.low), min(1.0, found.high))


def difference(first: Sequence[Right], second: Sequence[Right], confidence: float = CONFIDENCE) -> Estimate:
    """Error of `first` minus error of `second` on the same examples: paired by example, not by seed."""
    a, b = _wrong(first), _wrong(second)
    parts = [_seeds(a), _seeds(b), variance_of_mean(a.mean(0) - b.mean(0))]
    mean = float(a.mean() - b.mean())
    found = t_interval(mean, parts, confidence)
    return Estimate(mean, found.low, found.high)


def improved(first: Sequence[Right], second: Sequence[Right]) -> bool:
    """Whether `first` may be called better than `second`: the whole interval of the difference is below 0."""
    return difference(first, second).high < 0


def _wrong(right: Sequence[Right]) -> NDArray[np.float64]:
    wrong: NDArray[np.float64] = 1.0 - np.stack(right).astype(np.float64)
    return wrong


def _seeds(wrong: NDArray[np.float64]) -> VariancePart:
    """The noise of training seeds; none where there is one seed, of which nothing is known."""
    return variance_of_mean(wrong.mean(1)) if len(wrong) > 1 else (0.0, 1)
