"""How a data set of examples is asked about: plainly, and otherwise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from evoarch.archive.records import Failed
from evoarch.evaluators.flow import Grade, Question
from evoarch.evaluators.metrics.base import Metric
from evoarch.evaluators.metrics.registry import values_of
from evoarch.evaluators.task import Floats, Splits
from evoarch.sandbox.outcome import Array, Finished

DECOYS = 5
"""The second prediction sees one more input for this many, drawn from the training inputs."""

BATCHES = 7
"""About how many batches the validation inputs make up in the second prediction; the first has one."""


class SplitGrading:
    """The half of a grading that all data sets of examples share: what the children get and are asked, and
    the task's further `metrics`.
    """

    prefix = ""

    def __init__(self, splits: Splits, metrics: Sequence[Metric] = ()) -> None:
        self._splits, self._metrics = splits, metrics

    def training(self) -> Mapping[str, Array]:
        return {"inputs": self._splits.train.inputs, "targets": self._splits.train.targets}

    def question(self) -> Question:
        """The validation inputs in their own order, in one batch."""
        inputs = self._splits.validation.inputs
        return Question({"inputs": inputs}, np.arange(len(inputs)), len(inputs))

    def otherwise(self, rng: np.random.Generator) -> Question:
        """The same in another order and batch size.

        Training inputs are mixed in, so that nothing a model may gather over all it sees stays the same.
        """
        known, new = self._splits.train.inputs, self._splits.validation.inputs
        decoys = rng.choice(len(known), size=min(len(known), 1 + len(new) // DECOYS), replace=False)
        pool = np.concatenate([new, known[decoys]])
        order = rng.permutation(len(pool))
        return Question({"inputs": pool[order]}, order, 1 + len(new) // BATCHES)

    def measured(self, grade: Grade, first: Floats, second: Floats) -> Grade | Failed:
        """`grade` with the further metrics of both predictions. Failed, as the infrastructure's, where one of
        them does not work.
        """
        values = values_of(self._metrics, (first, second), self._splits.validation.targets)
        return values if isinstance(values, Failed) else replace(grade, metrics=values)


def read_outputs(
    reply: Finished, asked: Question, expected: tuple[int, ...], count: int
) -> Sequence[Floats] | Failed:
    """The first `count` examples' outputs of each checkpoint, in their own order.

    `expected` is the shape of the float32 reply: checkpoints, questions, and what there is of each.
    """
    logits = reply.arrays.get("logits")
    if logits is None or logits.shape != expected or logits.dtype != np.float32:
        got = "nothing" if logits is None else f"{logits.dtype} {logits.shape}"
        return Failed("predict", f"the reply must hold float32 logits {expected}, got {got}")
    back = np.argsort(asked.order)[:count]
    return [np.asarray(part, np.float32)[back] for part in logits]
