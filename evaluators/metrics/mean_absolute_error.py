"""Mean absolute error of a regression: in the targets' own unit, and less moved by a few large misses."""

from __future__ import annotations

import math

import numpy as np

from evoarch.evaluators.metrics.base import metric
from evoarch.evaluators.task import Floats, Targets


@metric
class MeanAbsoluteError:
    """The mean over examples and outputs of |output - target|, in the unit of the task's targets.

    MAE of Willmott and Matsuura 2005, doi 10.3354/cr030079. A data file's targets are standardised
    (docs/own-task.md), so there the unit is a standard deviation of the training targets.
    """

    name = "mean_absolute_error"
    minimise = True
    bounds = (0.0, math.inf)
    loss = "mean_squared_error"

    def __call__(self, outputs: Floats, targets: Targets) -> float:
        """MAE, at least 0."""
        return float(np.abs(outputs.astype(np.float64) - targets).mean())
