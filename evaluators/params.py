"""Counting parameters from the weights alone, in the trusted process."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from evoarch.sandbox.outcome import Array
from evoarch.sandbox.own_time import own_time

_MEAN, _VAR = "running_mean", "running_var"


@own_time()
def count_params(weights: Mapping[str, Array], ties: object = None) -> int:
    """Elements of the floating point tensors in `weights` (name to array).

    Not counted: integer and boolean tensors, because `carried` leaves them behind; a tensor that `ties`
    (name to first name, claimed by the child) calls the same as another *and* that has the same bytes; the
    running mean and variance of a normalisation whose own scale and shift, of the same shape, are counted.
    What a child claims can therefore hide nothing but statistics, one pair for each counted scale and shift.
    A 64-bit number counts as two. Takes time in proportion to the number of tensors and their bytes.
    """
    claimed = {str(name): str(first) for name, first in ties.items()} if isinstance(ties, Mapping) else {}
    firsts = set(claimed.values())
    total = 0
    for name, array in carried(weights).items():
        first = claimed.get(name, name)
        # Who is named as another's first is counted itself, so that ties in a circle count once.
        if first != name and name not in firsts and first in weights and _same(weights[first], array):
            continue
        if not _is_statistic(name, weights):
            total += array.size * max(1, array.itemsize // 4)
    return total


def carried(weights: Mapping[str, Array]) -> dict[str, Array]:
    """The tensors that a prediction gets: floating point ones. All else is as the constructor makes it."""
    return {name: array for name, array in weights.items() if np.issubdtype(array.dtype, np.floating)}


def _same(one: Array, other: Array) -> bool:
    return one.shape == other.shape and one.dtype == other.dtype and one.tobytes() == other.tobytes()


def _is_statistic(name: str, weights: Mapping[str, Array]) -> bool:
    prefix, dot, last = name.rpartition(".")
    if last not in (_MEAN, _VAR):
        return False
    family = [weights.get(f"{prefix}{dot}{part}") for part in (_MEAN, _VAR, "weight", "bias")]
    return all(
        part is not None
        and part.ndim == 1
        and part.shape == weights[name].shape
        and part.dtype == weights[name].dtype
        for part in family
    )
