"""How a data set of examples is asked about: plainly, and otherwise."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from evoarch.archive.records import Failed
from evoarch.evaluators.flow import LEAK, Grade, Question
from evoarch.evaluators.metrics.base import Metric
from evoarch.evaluators.metrics.registry import values_of
from evoarch.evaluators.task import Floats, Split, Splits, Targets
from evoarch.sandbox.outcome import Array, Finished

DECOYS = 5
"""The second prediction sees one more input for this many, drawn from the training inputs."""

BATCHES = 7
"""About how many batches the validation inputs make up in the second prediction; the first has one."""


class SplitGrading(ABC):
    """The half of a grading that all data sets of examples share: what the children get and are asked, and
    the task's further `metrics`. `fresh`: examples that were never published, mixed into the second
    prediction in the place of training inputs. How they are answered shows a table of the validation labels,
    and scores nothing.
    """

    prefix = ""
    leak = LEAK

    def __init__(self, splits: Splits, metrics: Sequence[Metric] = (), fresh: Split | None = None) -> None:
        self._splits, self._metrics, self._fresh = splits, metrics, fresh

    def training(self) -> Mapping[str, Array]:
        """Inputs and targets of the training split, by name."""
        return {"inputs": self._splits.train.inputs, "targets": self._splits.train.targets}

    def question(self) -> Question:
        """The validation inputs in their own order, in one batch."""
        inputs = self._splits.validation.inputs
        return Question({"inputs": inputs}, np.arange(len(inputs)), len(inputs))

    def otherwise(self, rng: np.random.Generator) -> Question:
        """The same in another order and batch size.

        Training inputs are mixed in, so that nothing a model may gather over all it sees stays the same.
        """
        known, new = (self._fresh or self._splits.train).inputs, self._splits.validation.inputs
        decoys = rng.choice(len(known), size=min(len(known), 1 + len(new) // DECOYS), replace=False)
        pool = np.concatenate([new, known[decoys]])
        order = rng.permutation(len(pool))
        fresh = decoys if self._fresh else np.zeros(0, np.int64)
        return Question({"inputs": pool[order]}, order, 1 + len(new) // BATCHES, fresh)

    def aside(self, reply: Finished, asked: Question) -> Mapping[str, object]:
        """`fresh`: how many of the fresh examples that were mixed in got another answer than theirs."""
        if self._fresh is None or not len(asked.fresh):
            return {}
        back = np.argsort(asked.order)[len(self._splits.validation.targets) :]
        outputs = np.asarray(reply.arrays["logits"][-1], np.float32)[back]
        right = self.right(outputs, self._fresh.targets[asked.fresh])
        return {"fresh": {"error": float(1.0 - right.mean()), "examples": len(right)}}

    @abstractmethod
    def right(self, outputs: Floats, targets: Targets) -> Floats:
        """Of each example of any split, how much of its answer is right: (n,), 1 at most."""

    def validation_right(self, outputs: Floats) -> Floats:
        """The same of the validation examples, in their own order."""
        return self.right(outputs, self._splits.validation.targets)

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
