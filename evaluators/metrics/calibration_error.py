"""Expected calibration error: how far a model's confidence is from its accuracy."""

from __future__ import annotations

import numpy as np

from evoarch.evaluators.metrics.base import metric, softmax
from evoarch.evaluators.task import Floats, Targets

BINS = 15
"""Equal bins of confidence, as many as the source takes."""


@metric
class CalibrationError:
    """The mean over bins of |accuracy - confidence|, each bin weighted by its share of the examples.

    ECE of Guo et al. 2017, arXiv 1706.04599, equation 3, with 15 bins; confidence is the largest probability
    of the softmax.
    """

    name = "calibration_error"
    minimise = True
    bounds = (0.0, 1.0)
    loss = "cross_entropy"

    def __call__(self, outputs: Floats, targets: Targets) -> float:
        """ECE, 0 to 1."""
        confidence = softmax(outputs).max(1)
        right = (outputs.argmax(1) == targets).astype(np.float64)
        # A bin holds its upper end, and not its lower one.
        bins = np.clip(np.ceil(confidence * BINS).astype(np.int64) - 1, 0, BINS - 1)
        gaps = np.bincount(bins, weights=right - confidence, minlength=BINS)
        return float(np.abs(gaps).sum() / len(targets))
