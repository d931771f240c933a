"""Logits, compared and scored in the trusted process."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from evoarch.evaluators.task import Labels

TOLERANCE = 1e-3
"""How far two predictions of one model may lie apart, relative to the spread of its logits: other batch sizes
sum in another order, which costs about 1e-6 in float32."""

LARGEST = 1e30
"""No logit is larger: sums and squares of them stay finite in float64."""

FLIPPED = 0.01
"""The share of examples whose class may flip between two predictions (near ties)."""


def smoothed_error(correct: NDArray[np.bool_]) -> float:
    """(wrong + 1) / (n + 2): none wrong of 500 is not zero."""
    return float((len(correct) - int(correct.sum()) + 1) / (len(correct) + 2))


def chosen_checkpoint(logits: NDArray[np.float32], targets: Labels) -> int | None:
    """The checkpoint of lowest validation error, the earliest of equals; None if all hold
    numbers beyond LARGEST.

    `logits` is (checkpoints, n, classes).
    """
    wrong = (logits.argmax(2) != targets).sum(1)
    finite = (np.abs(logits) <= LARGEST).all((1, 2))
    if not finite.any():
        return None
    return int(np.where(finite, wrong, len(targets) + 1).argmin())


def disagree(first: NDArray[np.float32], second: NDArray[np.float32]) -> str:
    """How two predictions (n, classes) of the same inputs differ, "" if they agree.

    A gap counts against the spread of the logits. Classes are compared beside values, so that a huge constant
    in one class can't hide what happens in the others; an example counts as correct only if both predictions
    say so.
    """
    if not (np.abs(second) <= LARGEST).all():
        return f"the second prediction is not finite, or beyond {LARGEST:g}"
    one, other = first.astype(np.float64), second.astype(np.float64)
    gap = float(np.abs(one - other).max())
    flipped = int((one.argmax(1) != other.argmax(1)).sum())
    if gap > TOLERANCE * max(spread_of(one), 1e-6) or flipped > FLIPPED * len(first):
        return f"logits differ by up to {gap:.3g}, {flipped} of {len(first)} classes flip"
    return ""


def spread_of(logits: NDArray[np.float64]) -> float:
    """How far the logits (n, classes) of an example lie apart, typically.

    The lesser of the mean standard deviation over an example's classes and the middle distance of a logit
    from its example's median: one class of enormous logits widens the first, but not the second.
    """
    apart = np.abs(logits - np.median(logits, axis=1, keepdims=True))
    middle = float(np.median(apart[apart > 0])) if (apart > 0).any() else 0.0
    return min(float(logits.std(axis=1).mean()), middle)
