"""Grading of logits against class numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from evoarch.archive.records import Failed
from evoarch.evaluators.agreement import chosen_checkpoint, disagree, smoothed_error
from evoarch.evaluators.examples import SplitGrading, read_outputs
from evoarch.evaluators.flow import Grade, Question
from evoarch.evaluators.task import Floats, Splits, Targets
from evoarch.sandbox.outcome import Finished


class Classification(SplitGrading):
    """Grades float32 logits (n, classes). An example is correct only where both predictions say its class."""

    worthless = "the logits are not finite"

    def __init__(self, splits: Splits, classes: int) -> None:
        super().__init__(splits)
        self._classes = classes
        self._labels = np.asarray(splits.validation.targets, np.int64)

    def read(self, reply: Finished, asked: Question, checkpoints: int) -> Sequence[Floats] | Failed:
        shape = (checkpoints, len(asked.order), self._classes)
        return read_outputs(reply, asked, shape, len(self._labels))

    def choose(self, answers: Sequence[Floats]) -> int | None:
        return chosen_checkpoint(np.stack(list(answers)), self._labels)

    def disagree(self, first: Floats, second: Floats) -> str:
        return disagree(first, second)

    def grade(self, first: Floats, second: Floats) -> Grade | Failed:
        correct = (first.argmax(1) == self._labels) & (second.argmax(1) == self._labels)
        return Grade(smoothed_error(correct), correct)

    def right(self, outputs: Floats, targets: Targets) -> Floats:
        """Of each example of any split: 1 where its class is said, else 0."""
        return np.asarray(outputs.argmax(1) == targets, np.float32)
