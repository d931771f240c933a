"""Grading of outputs against numbers.

The error is the mean squared error over the variance of the training targets, output by output, averaged over
the outputs: 0 for a perfect model, 1 for one that always says the mean, 1 - R^2 where both splits vary alike.
It is cut off at 1. An example is not right or wrong, so no bits of correctness are kept. A target that is NaN
(a gap in a series) counts nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from evoarch.archive.records import Failed
from evoarch.evaluators.agreement import TOLERANCE
from evoarch.evaluators.examples import SplitGrading, read_outputs
from evoarch.evaluators.flow import Grade, Question
from evoarch.evaluators.metrics.base import Metric
from evoarch.evaluators.task import Floats, Split, Splits, Targets
from evoarch.sandbox.outcome import Finished

WORST = 1e6
"""An example's error (in variances) is counted up to this, so that one number can't make a mean infinite."""


class Regression(SplitGrading):
    """Grades float32 outputs (n, k). Of two predictions of an example the worse counts."""

    worthless = "the outputs are not finite"

    def __init__(
        self, splits: Splits, outputs: int, metrics: Sequence[Metric] = (), fresh: Split | None = None
    ) -> None:
        super().__init__(splits, metrics, fresh)
        self._outputs = outputs
        self._variance = np.nanvar(np.asarray(splits.train.targets, np.float64), 0)

    def read(self, reply: Finished, asked: Question, checkpoints: int) -> Sequence[Floats] | Failed:
        """As evaluators.flow.Grading says: outputs (n, k) of each checkpoint."""
        shape = (checkpoints, len(asked.order), self._outputs)
        return read_outputs(reply, asked, shape, len(self._splits.validation.inputs))

    def choose(self, answers: Sequence[Floats]) -> int | None:
        """The checkpoint of lowest validation error; None if none is finite."""
        errors = [float(np.nanmean(self._wrong(a))) if np.isfinite(a).all() else np.inf for a in answers]
        best = int(np.argmin(errors))
        return best if np.isfinite(errors[best]) else None

    def disagree(self, first: Floats, second: Floats) -> str:
        """A gap counts in units of the training targets or of the predictions, whichever scatter more."""
        if not np.isfinite(second).all():
            return "the second prediction is not finite"
        spread = np.maximum(first.astype(np.float64).std(0), np.sqrt(self._variance))
        gap = np.abs(first.astype(np.float64) - second) / spread
        if gap.max() > TOLERANCE:
            return f"outputs differ by up to {gap.max():.3g} standard deviations"
        return ""

    def grade(self, first: Floats, second: Floats) -> Grade | Failed:
        """The error over the worse of two predictions, and the further metrics of the worse prediction."""
        wrong = np.maximum(self._wrong(first), self._wrong(second))
        return self.measured(Grade(min(1.0, float(np.nanmean(wrong))), np.zeros(0, np.bool_)), first, second)

    def right(self, outputs: Floats, targets: Targets) -> Floats:
        """Of each example of any split: 1 less its squared error in variances; negative where that is above
        1. The mean of what is missing to 1 is the error of the split.
        """
        return np.nan_to_num(1.0 - self._squares(outputs, targets), nan=1.0).astype(np.float32)

    def _wrong(self, outputs: Floats) -> NDArray[np.float64]:
        return self._squares(outputs, self._splits.validation.targets)

    def _squares(self, outputs: Floats, targets: Targets) -> NDArray[np.float64]:
        """(n,): the mean over an example's known targets, NaN where it has none."""
        gap = outputs.astype(np.float64) - targets
        known = np.isfinite(gap)
        sums = np.where(known, gap * gap / self._variance, 0.0).sum(1)
        return np.where(known.any(1), np.minimum(sums / np.maximum(1, known.sum(1)), WORST), np.nan)
