"""The share of pixels that get a wrong class, beside a segmentation's error, which is of overlaps."""

from __future__ import annotations

import numpy as np

from evoarch.evaluators.checks import UNLABELLED
from evoarch.evaluators.metrics.base import metric
from evoarch.evaluators.task import Floats, Targets


@metric
class PixelError:
    """Wrong pixels over labelled pixels."""

    name = "pixel_error"
    minimise = True
    bounds = (0.0, 1.0)
    loss = "pixel_cross_entropy"

    def __call__(self, outputs: Floats, targets: Targets) -> float:
        """The share, 0 where nothing is labelled. `outputs` (n, classes, height, width)."""
        masks = np.asarray(targets, np.int64)
        known = masks != UNLABELLED
        return float((outputs.argmax(1) != masks)[known].mean()) if known.any() else 0.0
