"""Grading of a segmentation: of each pixel logits over the classes, against a mask.

The error is 1 less the mean, over the classes that the masks hold, of intersection over union (all examples
together). Pixels that nobody labelled count nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from evoarch.archive.records import Failed
from evoarch.evaluators.agreement import LARGEST, disagree
from evoarch.evaluators.checks import UNLABELLED
from evoarch.evaluators.examples import SplitGrading, read_outputs
from evoarch.evaluators.flow import Grade, Question
from evoarch.evaluators.metrics.base import Metric
from evoarch.evaluators.task import Floats, Labels, Split, Splits, Targets
from evoarch.sandbox.outcome import Finished


def overlaps(predicted: Labels, masks: Labels, classes: int) -> NDArray[np.float64]:
    """Intersection over union of each class, NaN for one that no mask holds. `predicted` may hold -1, which
    is no class.
    """
    known = masks != UNLABELLED
    said, true = predicted[known], masks[known]
    found = np.full(classes, np.nan)
    for each in np.unique(true):
        union = ((said == each) | (true == each)).sum()
        found[each] = ((said == each) & (true == each)).sum() / union
    return found


class Segmentation(SplitGrading):
    """Grades float32 logits (n, classes, height, width). Where two predictions of a pixel differ, it is
    wrong.
    """

    worthless = f"the logits are not finite, or beyond {LARGEST:g}"

    def __init__(
        self, splits: Splits, classes: int, metrics: Sequence[Metric] = (), fresh: Split | None = None
    ) -> None:
        super().__init__(splits, metrics, fresh)
        self._classes = classes
        self._masks = np.asarray(splits.validation.targets, np.int64)

    def read(self, reply: Finished, asked: Question, checkpoints: int) -> Sequence[Floats] | Failed:
        """As evaluators.flow.Grading says: logits (n, classes, height, width) of each checkpoint."""
        shape = (checkpoints, len(asked.order), self._classes, *self._masks.shape[1:])
        return read_outputs(reply, asked, shape, len(self._masks))

    def choose(self, answers: Sequence[Floats]) -> int | None:
        """The checkpoint of lowest validation error; None if none is finite."""
        errors = [self._error(a.argmax(1)) if (np.abs(a) <= LARGEST).all() else np.inf for a in answers]
        best = int(np.argmin(errors))
        return best if np.isfinite(errors[best]) else None

    def disagree(self, first: Floats, second: Floats) -> str:
        """How two predictions differ, pixel by pixel, "" if they agree (evaluators.agreement)."""
        return disagree(_rows(first), _rows(second))

    def grade(self, first: Floats, second: Floats) -> Grade | Failed:
        """The error, and the further metrics of the worse prediction."""
        both = np.where(first.argmax(1) == second.argmax(1), first.argmax(1), -1)
        return self.measured(Grade(self._error(both), np.zeros(0, np.bool_)), first, second)

    def right(self, outputs: Floats, targets: Targets) -> Floats:
        """Of each example of any split: the mean overlap of the classes that its mask holds."""
        pairs = zip(outputs.argmax(1), np.asarray(targets, np.int64), strict=True)
        found = [overlaps(said, mask, self._classes) for said, mask in pairs]
        return np.array([np.nanmean(each) if np.isfinite(each).any() else 1.0 for each in found], np.float32)

    def _error(self, predicted: Labels) -> float:
        return float(1.0 - np.nanmean(overlaps(predicted, self._masks, self._classes)))


def _rows(logits: Floats) -> Floats:
    """(n, classes, height, width) as (pixels, classes)."""
    return np.ascontiguousarray(np.moveaxis(logits, 1, -1)).reshape(-1, logits.shape[1])
