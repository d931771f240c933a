"""Scores of an untrained model, for turning away before anything is spent on training. Never a result.

What they are made of is counted in a child, in whose process the genome has run: it is no more to be believed
than any claim. The numbers are computed here, and used to compare, never to rank what was trained.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np

from evoarch.sandbox.outcome import Array, Finished
from evoarch.sandbox.own_time import own_time

NASWOT, GRADSIGN, PARAMS = "naswot", "gradsign", "params"

SCORES = (NASWOT, GRADSIGN, PARAMS)
"""`naswot`: Mellor et al. 2021, Neural Architecture Search without Training, arXiv 2006.04647, section 3.
`gradsign`: Zhang and Jia 2022, GradSign, arXiv 2110.08616, Algorithm 1. `params`: the parent's count, which
every other score has to beat. Higher is better.
"""

EXAMPLES = 127
"""Training examples that a model is shown (128 in NASWOT's paper): a prime, so that no other dimension of a
tensor is likely to be as long, and the first ones of the training split, the same for every candidate.
"""

SIGNED = 64
"""Of so many of them GradSign takes a gradient each."""


@dataclass(frozen=True)
class ZeroCost:
    """Scores by name, -inf the lowest, and what they cost; `reason`: why some are missing."""

    values: Mapping[str, float] = field(default_factory=dict)
    cpu_seconds: float = 0.0
    reason: str = ""


@runtime_checkable
class ZeroCostScorer(Protocol):
    """An evaluator that has zero-cost scores."""

    async def zero_cost(self, source: str, *, digest: str, scores: tuple[str, ...]) -> ZeroCost:
        """`scores` are of `SCORES` but for `params`. Never raises for what a genome does."""
        ...


def naswot(agreement: Array) -> float:
    """log |det K| where K counts on how many units two examples lie on the same side of zero.

    -inf where K is singular: two examples agree everywhere, or there are fewer units than examples. In the
    paper the units are those of ReLU; here those of every activation function.
    """
    kernel = np.asarray(agreement, np.float64)
    # Rounding gives a singular matrix some determinant all the same.
    if np.linalg.matrix_rank(kernel) < len(kernel):
        return -math.inf
    return float(np.linalg.slogdet(kernel).logabsdet)


def gradsign(histogram: Array) -> float:
    """The sum over parameters of |sum over examples of the sign of the gradient|."""
    return float(np.dot(np.arange(len(histogram), dtype=np.float64), np.asarray(histogram, np.float64)))


@own_time()
def scores_of(outcome: Finished, wanted: tuple[str, ...], examples: int) -> ZeroCost:
    """What a child that finished sent about `examples` examples, as scores."""
    values: dict[str, float] = {}
    shapes = {NASWOT: (examples, examples), GRADSIGN: (min(examples, SIGNED) + 1,)}
    computes = {NASWOT: naswot, GRADSIGN: gradsign}
    for name in wanted:
        array = outcome.arrays.get(name)
        if array is not None and array.shape == shapes[name] and np.isfinite(array).all():
            values[name] = computes[name](array)
    missing = [name for name in wanted if name not in values]
    reason = f"the child sent no sound material for {', '.join(missing)}" if missing else ""
    return ZeroCost(values, outcome.usage.cpu_seconds, reason)
