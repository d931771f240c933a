"""What a metric is: a number that the trusted process computes from a model's outputs and the targets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from evoarch.evaluators.task import Floats, Targets


class Metric(Protocol):
    """A measure of predictions, computed on the validation split in the process that holds the targets.

    A class says `name` (small letters, digits and "_"); `minimise`, whether a smaller value is better;
    `bounds`, its smallest and largest value; and `loss`, the loss of the tasks that it is for:
    "cross_entropy" (classes), "mean_squared_error" (a regression) or "" (both).

    A campaign minimises everything. So where `minimise` is False, `NAME_loss` is what is recorded, limited
    and shown: the upper bound, which must be finite, minus the value.
    """

    @property
    def name(self) -> str:
        """Small letters, digits and "_"."""
        ...

    @property
    def minimise(self) -> bool:
        """Whether a smaller value is better."""
        ...

    @property
    def bounds(self) -> tuple[float, float]:
        """The smallest and the largest value; the latter may be infinite where it is minimised."""
        ...

    @property
    def loss(self) -> str:
        """The loss of the tasks that it is for, "" for all."""
        ...

    def __call__(self, outputs: Floats, targets: Targets) -> float:
        """The value. `outputs`: (n, classes) logits or (n, k) numbers, finite float32; `targets`: (n,) int64
        class numbers or (n, k) float32. Neither may be changed.
        """
        ...


METRICS: dict[str, type[Metric]] = {}
"""The built-in metrics by name, as far as their files were imported (`registry.built_in` imports all)."""

Kind = TypeVar("Kind", bound=Metric)


def metric(kind: type[Kind]) -> type[Kind]:
    """Decorator of a built-in metric's class: makes it known by its name."""
    METRICS[str(kind.name)] = kind
    return kind


def recorded(each: Metric) -> str:
    """The name under which a metric stands in the archive, in objectives and in constraints."""
    return each.name if each.minimise else f"{each.name}_loss"


def softmax(logits: Floats) -> NDArray[np.float64]:
    """Probabilities (n, classes) of logits."""
    shifted = np.exp(logits.astype(np.float64) - logits.max(1, keepdims=True))
    chances: NDArray[np.float64] = shifted / shifted.sum(1, keepdims=True)
    return chances


def names_of(metrics: Sequence[Metric]) -> tuple[str, ...]:
    """The recorded names of `metrics`, in their order."""
    return tuple(recorded(each) for each in metrics)
