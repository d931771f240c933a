"""Grading of logits against class numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from evoarch.archive.records import Failed
from evoarch.evaluators.agreement import LARGEST, chosen_checkpoint, disagree, smoothed_error
from evoarch.evaluators.examples import SplitGrading, read_outputs
from evoarch.evaluators.flow import Grade, Question
from evoarch.evaluators.metrics.base import Metric
from evoarch.evaluators.task import Floats, Split, Splits, Targets
from evoarch.sandbox.outcome import Finished


class Classification(SplitGrading):
    """Grades float32 logits (n, classes). An example is correct only where both predictions say its class."""

    worthless = f"the logits are not finite, or beyond {LARGEST:g}"

    def __init__(
        self, splits: Splits, classes: int, metrics: Sequence[Metric] = (), fresh: Split | None = None
    ) -> None:
        super().__init__(splits, metrics, fresh)
        self._classes = classes
        self._labels = np.asarray(splits.validation.targets, np.int64)

    def read(self, reply: Finished, asked: Question, checkpoints: int) -> Sequence[Floats] | Failed:
        """As evaluators.flow.Grading says: logits (n, classes) of each checkpoint."""
        shape = (checkpoints, len(asked.order), self._classes)
        return read_outputs(reply, asked, shape, len(self._labels))

    def choose(self, answers: Sequence[Floats]) -> int | None:
        """The checkpoint of lowest validation error; None if none is finite."""
        return chosen_checkpoint(np.stack(list(answers)), self._labels)

    def disagree(self, first: Floats, second: Floats) -> str:
        """How two predictions of the same weights differ, "" if they agree (evaluators.agreement)."""
        return disagree(first, second)

    def grade(self, first: Floats, second: Floats) -> Grade | Failed:
        """The smoothed error, a bit per example, and the further metrics of the worse prediction."""
        correct = (first.argmax(1) == self._labels) & (second.argmax(1) == self._labels)
        return self.measured(Grade(smoothed_error(correct), correct), first, second)

    def right(self, outputs: Floats, targets: Targets) -> Floats:
        """Of each example of any split: 1 where its class is said, else 0."""
        return np.asarray(outputs.argmax(1) == targets, np.float32)
