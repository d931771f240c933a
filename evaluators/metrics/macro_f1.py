"""Macro F1: each class counts the same, however rare it is."""

from __future__ import annotations

import numpy as np

from evoarch.evaluators.metrics.base import metric
from evoarch.evaluators.task import Floats, Targets


@metric
class MacroF1:
    """The mean over the classes among the targets of F1 = 2 TP / (2 TP + FP + FN).

    The "averaged F1" of Opitz and Burst 2019, arXiv 1911.03347, equation 1. To be maximised: `macro_f1_loss`,
    1 - macro F1, is what a campaign records.
    """

    name = "macro_f1"
    minimise = False
    bounds = (0.0, 1.0)
    loss = "cross_entropy"

    def __call__(self, outputs: Floats, targets: Targets) -> float:
        """Macro F1 of the largest logits."""
        guessed = outputs.argmax(1)
        scores = []
        for label in np.unique(targets):
            said, true = guessed == label, targets == label
            hits = int((said & true).sum())
            scores.append(2 * hits / (int(said.sum()) + int(true.sum())))
        return float(np.mean(scores))
