"""Part of a training: which steps, what they begin with, what a later part needs. Checked by the parent."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np

from evoarch.evaluators.inside.overlap import overlap
from evoarch.evaluators.params import carried
from evoarch.evaluators.task import Evaluated
from evoarch.sandbox.outcome import Array

STATE = "state/"
"""Under which names a training child sends, and gets back, what it goes on from."""

RNG_BYTES = 1 << 14
"""More than torch's generator holds (5,056 bytes for its Mersenne Twister)."""

_MOMENT = re.compile(r"optimiser/(0|[1-9]\d{0,5})/(step|exp_avg|exp_avg_sq)")


@dataclass(frozen=True)
class Segment:
    """The optimiser steps from `start` to `stop` (exclusive, counted from 0) of a recipe.

    `state` is what the segment before it returned; at `start` 0 there is none, and training may begin with
    `inherit`, the tensors of a parent.
    """

    start: int
    stop: int
    state: Mapping[str, Array] = field(default_factory=dict)
    inherit: Mapping[str, Array] = field(default_factory=dict)

    def arrays(self) -> dict[str, Array]:
        """As a training child gets them."""
        given = {f"inherit/{name}": array for name, array in carried(self.inherit).items()}
        return given | {STATE + name: array for name, array in self.state.items()}


@runtime_checkable
class ResumableEvaluator(Protocol):
    """An evaluator that can train a part of the recipe at a time."""

    @property
    def steps(self) -> int:
        """Optimiser steps of the whole recipe."""
        ...

    async def evaluate_segment(self, source: str, *, digest: str, repeat: int, segment: Segment) -> Evaluated:
        """As `evaluate`, for a segment. One that stops early is predicted with once, meets no limit on its
        score, and returns the `state` for the next; it says how good a candidate looks, not how good it is.
        """
        ...


def split_state(arrays: Mapping[str, Array]) -> tuple[dict[str, Array], dict[str, Array]]:
    """A training child's reply as (checkpoints, state)."""
    state = {name[len(STATE) :]: array for name, array in arrays.items() if name.startswith(STATE)}
    return {name: array for name, array in arrays.items() if not name.startswith(STATE)}, state


def wrong_state(state: Mapping[str, Array], weights: Mapping[str, Array]) -> str:
    """What is wrong with the state that a child returned beside `weights`, or "".

    It holds the weights once more, AdamW's two moments and step per parameter, and the generators. Nothing in
    it is believed or counted: it goes back into a child. The bound is so that it is nothing but that.
    """
    model = {name.removeprefix("model/"): a for name, a in state.items() if name.startswith("model/")}
    if {n: (a.dtype, a.shape) for n, a in model.items()} != {
        n: (a.dtype, a.shape) for n, a in weights.items()
    }:
        return "the state must hold the tensors of the weights"
    largest = 0
    for name, array in state.items():
        if name.startswith("model/"):
            continue
        if name in ("rng", "rng_device"):
            if array.dtype != np.uint8 or array.ndim != 1 or array.size > RNG_BYTES:
                return f"state {name}: expected at most {RNG_BYTES} uint8, got {array.dtype} {array.shape}"
        elif not (_MOMENT.fullmatch(name) and np.issubdtype(array.dtype, np.floating)):
            return f"state {name!r}: expected model/, optimiser/<n>/<moment> in floating point, or rng"
        else:
            largest += array.nbytes if not name.endswith("/step") else 0
    most = 2 * sum(array.nbytes for array in weights.values())
    if largest > most:
        return f"the optimiser's moments: expected at most {most} bytes, got {largest}"
    return "" if "rng" in state else "the state must hold rng"


def inherited_share(weights: Mapping[str, Array], given: Mapping[str, Array]) -> float:
    """The share of the elements of `weights` that began with a parent's values, by names and shapes."""
    own, theirs = carried(weights), carried(given)
    shared = sum(
        int(np.prod(overlap(array.shape, theirs[name].shape)))
        for name, array in own.items()
        if name in theirs and theirs[name].ndim and overlap(array.shape, theirs[name].shape)
    )
    return shared / max(1, sum(array.size for array in own.values()))
