"""Growing a network: the weights with which a larger one computes what a smaller one does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from evoarch.evaluators.signature import Signature
from evoarch.sandbox.outcome import Array, Finished


@dataclass(frozen=True)
class Grown:
    """What a child made of the smaller one's weights. `tensors` are those of the larger one, by name; {}
    where it can't be done, and `inexact` says why. `apart`: by how much their outputs differ in float64, as
    the child measured it: shown, never a score.
    """

    tensors: Mapping[str, Array] = field(default_factory=dict)
    apart: float = 0.0
    inexact: str = ""


@runtime_checkable
class Growing(Protocol):
    """An evaluator whose networks can grow."""

    async def grow(self, source: str, parent: str, weights: Mapping[str, Array]) -> Grown:
        """The weights with which the model of `source` computes what that of `parent` does with `weights`
        ({}: with those that it is initialised with). Never raises for what a genome does.
        """
        ...


def grown_of(outcome: Finished, signature: Signature) -> Grown:
    """What a child that grew a network sent, which must have the tensors of the larger one."""
    reason, apart = outcome.notes.get("inexact"), outcome.notes.get("apart")
    if reason is not None:
        return Grown(inexact=str(reason)[:300])
    if problem := signature.problem(outcome.arrays):
        return Grown(inexact=problem)
    known = apart if isinstance(apart, float) and 0 <= apart < 1 else 0.0
    return Grown(signature.ordered(outcome.arrays), known)
