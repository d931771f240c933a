"""AUROC: how well the classes are ranked apart, wherever a threshold is put."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from evoarch.evaluators.metrics.base import metric, softmax
from evoarch.evaluators.task import Floats, Targets


@metric
class AUROC:
    """The area under the ROC curve of each class against all others, averaged over the classes.

    An area is the chance that an example of the class has a larger probability of it than one of the others,
    ties counted half (Hanley and McNeil 1982, doi 10.1148/radiology.143.1.7063747; computed from ranks as
    the Mann-Whitney statistic). Classes that no example or every example has are left out; without any other
    the value is 0.5. To be maximised: `auroc_loss`, 1 - AUROC, is what a campaign records.
    """

    name = "auroc"
    minimise = False
    bounds = (0.0, 1.0)
    loss = "cross_entropy"

    def __call__(self, outputs: Floats, targets: Targets) -> float:
        """The mean area of the softmax's probabilities."""
        chances = softmax(outputs)
        areas = []
        for label in np.unique(targets):
            true = targets == label
            own, others = int(true.sum()), int((~true).sum())
            if others:
                above = _ranks(chances[:, label])[true].sum() - own * (own + 1) / 2
                areas.append(float(above) / (own * others))
        return float(np.mean(areas)) if areas else 0.5


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ranks from 1; equal values share the mean of theirs."""
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks: NDArray[np.float64] = (last - (counts - 1) / 2)[places.reshape(-1)]
    return ranks
