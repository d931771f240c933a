"""Top-5 error: the class may stand anywhere among the five largest logits."""

from __future__ import annotations

import numpy as np

from evoarch.evaluators.metrics.base import metric
from evoarch.evaluators.task import Floats, Targets

MOST = 5


@metric
class Top5Error:
    """The share of examples whose class is not among the five largest logits, a tie counted against it.

    The flat error of Russakovsky et al. 2015, arXiv 1409.0575, section 4.1. For tasks of more than five
    classes: it raises ValueError for others, where it would be 0.
    """

    name = "top5_error"
    minimise = True
    bounds = (0.0, 1.0)
    loss = "cross_entropy"

    def __call__(self, outputs: Floats, targets: Targets) -> float:
        """The share, unsmoothed."""
        if outputs.shape[1] <= MOST:
            raise ValueError(f"expected a task of more than {MOST} classes, got {outputs.shape[1]}")
        own = outputs[np.arange(len(targets)), targets.astype(np.int64)]
        return float(((outputs >= own[:, None]).sum(1) > MOST).mean())
