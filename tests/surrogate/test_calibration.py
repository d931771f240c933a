"""Whether what was foretold came true, on children that are written by hand."""

from dataclasses import replace

import pytest

from evoarch.agent.surrogate.calibration import (
    LEAST,
    Judged,
    calibration,
    judged_on,
    kendall_in_band,
)
from evoarch.archive.labels import Label
from evoarch.archive.records import Prediction

COUNT = LEAST + 2


def judged(mean: float, value: float, params: float) -> Judged:
    return Judged(mean, 0.75 * mean, 1.25 * mean, value, params, 100 * params)


GOOD = [judged(0.01 * n, 0.01 * n, 1000.0) for n in range(1, COUNT + 1)]
BLIND = [judged(0.1, 0.01 * n, 1000.0 - n) for n in range(1, COUNT + 1)]


def test_a_model_that_is_right_is_right_in_every_measure() -> None:
    found = calibration("full", GOOD)
    assert found.count == COUNT
    assert found.spearman["model"] == pytest.approx(1.0)
    assert found.kendall["model"] == 1.0
    assert found.spearman["params"] is None
    assert found.kendall["params"] == 0.0
    assert found.covered == 1.0
    assert not found.no_better


def test_a_model_that_knows_nothing_is_no_better_than_a_size() -> None:
    found = calibration("full", BLIND)
    assert found.spearman["params"] == pytest.approx(1.0)
    assert found.kendall["flops"] == 1.0
    assert found.no_better
    assert found.covered == pytest.approx(5 / COUNT)
    assert not calibration("full", BLIND[: LEAST - 1]).no_better


def test_a_model_that_wins_in_one_measure_is_kept() -> None:
    # Between sizes the count of parameters says all; within one size the model alone says something.
    rows = []
    for size in range(7):
        for part in range(2):
            value = 0.5 - 0.06 * size + 0.02 * part
            rows.append(replace(judged(0.3, value, 10.0**size), mean=0.3 + 0.01 * part))
    found = calibration("full", rows)
    assert found.kendall == {"model": 1.0, "params": 0.0, "flops": 0.0}
    assert found.spearman["params"] > (found.spearman["model"] or 0)  # type: ignore[operator]
    assert not found.no_better


def test_kendall_looks_at_pairs_of_about_one_size() -> None:
    scores, values = [1.0, 2.0, 3.0], [1.0, 3.0, 2.0]
    assert kendall_in_band(scores, values, [100.0, 120.0, 1000.0]) == 1.0
    assert kendall_in_band(scores, values, [100.0, 100.0, 100.0]) == pytest.approx(1 / 3)
    assert kendall_in_band(scores, values, [1.0, 10.0, 100.0]) is None
    assert kendall_in_band(scores, [1.0, 1.0, 1.0], [1.0, 1.0, 1.0]) is None


def test_nobody_to_judge_by_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one child"):
        calibration("full", [])


def test_only_unscreened_and_audited_children_judge() -> None:
    def prediction(candidate: int, *, unscreened: bool = False) -> Prediction:
        detail = {"rungs": {"full": [0.2, 0.1, 0.3]}, "claim": {"params": 10.0, "flops": 20.0}}
        return Prediction(candidate, 0, "forest", 9, 0.2, 0.1, 0.3, 1.0, unscreened, detail)

    def label(candidate: int, rung: str = "full", *, audited: bool = False) -> Label:
        return Label(candidate, candidate, rung, True, True, audited, {"error": 0.25})

    predictions = [
        prediction(1),
        prediction(2, unscreened=True),
        prediction(3),
        prediction(4, unscreened=True),
    ]
    labels = [label(1), label(2), label(3, "rung1", audited=True), label(3), label(4, "rung1")]
    found = judged_on("full", predictions, labels)
    assert found == [Judged(0.2, 0.1, 0.3, 0.25, 10.0, 20.0)] * 2
    without = [replace(each, detail={}) for each in predictions]
    assert judged_on("full", without, labels) == []
