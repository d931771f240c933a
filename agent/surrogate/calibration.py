"""Whether what was foretold came true: on children that were not picked for it.

Children that a model picks say little of it: it chose them because it thought well of them. So it is judged
on those of unscreened slots, and on those that a rung stopped and that were trained in full as an audit.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evoarch.agent.evaluation.claims import CLAIM
from evoarch.agent.statistics.correlation import rank_correlation
from evoarch.archive.labels import Label
from evoarch.archive.records import Prediction
from evoarch.archive.store import Store

BAND = 1.5
"""Kendall's correlation is of pairs whose parameters differ by at most this factor."""

LEAST = 12
"""Judged children below which nothing is concluded: with fewer the correlations are noise."""


@dataclass(frozen=True)
class Judged:
    """One child: what was foretold (`mean` and an interval), what came (`value`), and its sizes."""

    mean: float
    low: float
    high: float
    value: float
    params: float
    flops: float


@dataclass(frozen=True)
class Calibration:
    """How predictions on a rung agree with what came, over `count` children.

    By what ranks them ("model", "params", "flops"): Spearman's correlation, and Kendall's of pairs of about
    one size; None where there are too few, or all are alike. `covered`: the share of values inside their
    intervals, which are of 90%.
    """

    rung: str
    count: int
    spearman: Mapping[str, float | None]
    kendall: Mapping[str, float | None]
    covered: float

    @property
    def no_better(self) -> bool:
        """Whether a size alone ranks as well as the model, in both measures, over children enough."""
        if self.count < LEAST:
            return False
        for found in (self.spearman, self.kendall):
            model = found["model"]
            alone = [found[size] for size in ("params", "flops")]
            if model is not None and all(each is None or model > each for each in alone):
                return False
        return True


def calibration(rung: str, judged: Sequence[Judged]) -> Calibration:
    """The agreement on one rung. Larger models are expected to have the smaller error. Raises ValueError for
    no children.
    """
    values = [each.value for each in judged]
    scores = {
        "model": [each.mean for each in judged],
        "params": [-each.params for each in judged],
        "flops": [-each.flops for each in judged],
    }
    sizes = [each.params for each in judged]
    if not judged:
        raise ValueError("expected at least one child, got none")
    return Calibration(
        rung,
        len(judged),
        {name: _spearman(score, values) for name, score in scores.items()},
        {name: kendall_in_band(score, values, sizes) for name, score in scores.items()},
        sum(each.low <= each.value <= each.high for each in judged) / len(judged),
    )


def _spearman(scores: Sequence[float], values: Sequence[float]) -> float | None:
    if len(values) < 4 or len(set(scores)) < 2 or len(set(values)) < 2:
        return None
    return rank_correlation(scores, values)


def kendall_in_band(scores: Sequence[float], values: Sequence[float], sizes: Sequence[float]) -> float | None:
    """(agreeing - disagreeing) / all, of the pairs whose sizes differ by at most BAND; pairs of equal values
    say nothing and are left out. None without pairs.
    """
    agreeing = pairs = 0
    for one in range(len(values)):
        for other in range(one):
            small, large = sorted((sizes[one], sizes[other]))
            if large > BAND * small or values[one] == values[other]:
                continue
            pairs += 1
            order = (scores[one] - scores[other]) * (values[one] - values[other])
            agreeing += (order > 0) - (order < 0)
    return agreeing / pairs if pairs else None


def judged_on(rung: str, predictions: Sequence[Prediction], labels: Sequence[Label]) -> list[Judged]:
    """The children by which predictions for a rung are judged: unscreened ones, and audited ones."""
    reached = {label.candidate: label for label in labels if label.rung == rung and label.metrics}
    audited = {label.candidate for label in labels if label.audited}
    found = []
    for prediction in predictions:
        label = reached.get(prediction.candidate)
        told = _mapping(prediction.detail, "rungs").get(rung)
        claim = _mapping(prediction.detail, CLAIM)
        if label and told and (prediction.unscreened or prediction.candidate in audited):
            mean, low, high = told
            flops = claim.get("flops", math.nan)
            found.append(Judged(mean, low, high, label.metrics["error"], claim["params"], flops))
    return found


def _mapping(detail: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = detail.get(key, {})
    return found if isinstance(found, Mapping) else {}


def calibrations(store: Store, rungs: Sequence[str]) -> list[Calibration]:
    """One for each rung where there are children to judge by, from the archive alone."""
    predictions, labels = store.predictions.all(), store.labels.after(0)
    judged = {rung: judged_on(rung, predictions, labels) for rung in rungs}
    return [calibration(rung, found) for rung, found in judged.items() if found]
