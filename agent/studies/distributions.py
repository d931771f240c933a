"""Populations of models compared as distributions of their errors (Radosavovic et al. 2019 and 2020).

F(e) is the share of models with an error of at most e. Larger models err less, so two populations are
compared at equal sizes: models are put into classes of size, and every class counts alike in both.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evoarch.agent.statistics.intervals import ALPHA

CLASS = 3
"""Classes of size in a factor of ten, as in the search."""

DRAWS = 10_000
"""Of the bootstrap and of the permutation test."""

PART = 0.25
"""The share of a population that one draw of the bootstrap looks at."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Comparison:
    """Mean error of the first population less that of the second, at equal sizes: the area between their
    distributions. `low` and `high`: its 95% interval (bootstrap within classes of size); `p`: two-sided, of
    the permutation of models within classes. `counts`: models of each in the `classes` that both have.
    """

    mean: float
    low: float
    high: float
    p: float
    counts: tuple[int, int]
    classes: int


def edf(errors: Sequence[float], weights: Floats | None = None) -> list[tuple[float, float]]:
    """The steps of an empirical distribution function: (error, share of the weight up to it), by error."""
    order = np.argsort(errors)
    heights = np.asarray(weights if weights is not None else np.ones(len(errors)), dtype=float)[order]
    return list(
        zip(np.asarray(errors)[order].tolist(), (heights.cumsum() / heights.sum()).tolist(), strict=True)
    )


def size_weights(first: Sequence[int], second: Sequence[int]) -> tuple[Floats, Floats] | None:
    """Weights by which each class of size that both have counts alike, 0 for other models; None where they
    share none. The arguments are numbers of parameters.
    """
    own, other = _classes(first), _classes(second)
    shared = sorted(set(own.tolist()) & set(other.tolist()))
    if not shared:
        return None
    return _weights(own, shared), _weights(other, shared)


def _classes(params: Sequence[int]) -> NDArray[np.int64]:
    return np.asarray(np.floor(CLASS * np.log10(np.maximum(1, params))), dtype=np.int64)


def _weights(classes: NDArray[np.int64], shared: Sequence[int]) -> Floats:
    weights = np.zeros(len(classes))
    for each in shared:
        inside = classes == each
        weights[inside] = 1 / inside.sum() / len(shared)
    return weights


def compared(
    errors: tuple[Sequence[float], Sequence[float]],
    params: tuple[Sequence[int], Sequence[int]],
    rng: np.random.Generator,
) -> Comparison | None:
    """Two populations at equal sizes; None where they share no class of size."""
    classes = [_classes(each) for each in params]
    shared = sorted(set(classes[0].tolist()) & set(classes[1].tolist()))
    if not shared:
        return None
    values = [np.asarray(each, dtype=float) for each in errors]
    groups = [
        tuple(value[own == each] for value, own in zip(values, classes, strict=True)) for each in shared
    ]
    mean = float(np.mean([a.mean() - b.mean() for a, b in groups]))
    resampled, permuted = np.zeros(DRAWS), np.zeros(DRAWS)
    for a, b in groups:
        resampled += _resampled(a, rng) - _resampled(b, rng)
        both = np.concatenate([a, b])
        mixed = rng.permuted(np.tile(both, (DRAWS, 1)), axis=1)
        permuted += mixed[:, : len(a)].mean(1) - mixed[:, len(a) :].mean(1)
    low, high = np.quantile(resampled / len(groups), [ALPHA / 2, 1 - ALPHA / 2])
    as_far = np.abs(permuted / len(groups)) >= abs(mean) - 1e-12
    p = (1 + int(as_far.sum())) / (1 + DRAWS)
    counts = tuple(sum(len(group[side]) for group in groups) for side in (0, 1))
    return Comparison(mean, float(low), float(high), p, (counts[0], counts[1]), len(groups))


def _resampled(values: Floats, rng: np.random.Generator) -> Floats:
    return np.asarray(rng.choice(values, (DRAWS, len(values))).mean(1))


def beyond_size(errors: Sequence[float], params: Sequence[int]) -> Floats:
    """The logarithm of each error less what its size lets expect (least squares on the logarithm)."""
    y, x = np.log(np.maximum(1e-6, errors)), np.log(np.maximum(1, params))
    if np.ptp(x) < 1e-9:
        return np.asarray(y - y.mean())
    slope, middle = np.polyfit(x, y, 1)
    return np.asarray(y - slope * x - middle)


def likely_best(
    values: Sequence[float], errors: Sequence[float], rng: np.random.Generator
) -> tuple[float, float]:
    """The range of one knob in which its best value lies with 95% (Radosavovic et al. 2020, section 3.1).

    Of a quarter of the models, drawn with replacement, the one with the lowest error is taken; of 10,000 such
    draws the range is that of the middle 95%.
    """
    known, rank = np.asarray(values, dtype=float), np.asarray(errors, dtype=float)
    some = rng.integers(len(known), size=(DRAWS, max(1, math.ceil(PART * len(known)))))
    best = known[some[np.arange(DRAWS), rank[some].argmin(1)]]
    low, high = np.quantile(best, [ALPHA / 2, 1 - ALPHA / 2], method="nearest")
    return float(low), float(high)
