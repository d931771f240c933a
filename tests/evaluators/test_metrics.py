"""Metrics: the contract, their values against other programs and by hand, and how an evaluation uses them."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score, mean_absolute_error, roc_auc_score, top_k_accuracy_score

import evoarch
from evoarch.archive.records import Failed, Fault, Scored
from evoarch.evaluators.classification import Classification
from evoarch.evaluators.evaluation import Evaluator
from evoarch.evaluators.metrics.base import Metric, names_of, recorded, softmax
from evoarch.evaluators.metrics.registry import built_in, joined, load_metrics, metrics_of, values_of
from evoarch.evaluators.regression import Regression
from evoarch.evaluators.segments import Segment
from evoarch.evaluators.task import Floats, Split, Splits, TaskError
from evoarch.evaluators.tasks import load_task
from evoarch.sandbox.job import Runner

NAMES = sorted(built_in())


class TestBuiltIn(evoarch.MetricContract):
    @pytest.fixture(params=NAMES)
    def metric(self, request: pytest.FixtureRequest) -> Metric:
        made: Metric = built_in()[request.param]()
        return made


def test_every_metric_that_the_docs_name_is_found_in_its_room() -> None:
    own = ["auroc", "bits_per_token", "calibration_error", "macro_f1", "mean_absolute_error", "pixel_error"]
    own.append("top5_error")
    assert own == NAMES


@st.composite
def predictions(draw: st.DrawFn) -> tuple[Floats, np.ndarray]:  # type: ignore[type-arg]
    """Logits with ties, and labels of every class."""
    classes = draw(st.integers(6, 9))
    count = draw(st.integers(2 * classes, 60))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    labels = rng.permutation(np.arange(count) % classes)
    return np.round(rng.normal(size=(count, classes)), 1).astype(np.float32), labels


@settings(max_examples=40, deadline=None)
@given(predictions())
def test_metrics_of_classes_say_what_scikit_learn_says(asked: tuple[Floats, np.ndarray]) -> None:  # type: ignore[type-arg]
    logits, labels = asked
    macro, auroc = (built_in()[name]() for name in ("macro_f1", "auroc"))
    assert macro(logits, labels) == pytest.approx(f1_score(labels, logits.argmax(1), average="macro"))
    expected = roc_auc_score(labels, softmax(logits), multi_class="ovr", average="macro")
    assert auroc(logits, labels) == pytest.approx(expected)


def test_top_five_is_what_scikit_learn_says_where_nothing_is_tied() -> None:
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(size=(300, 9)).astype(np.float32), rng.integers(0, 9, 300)
    expected = 1 - top_k_accuracy_score(labels, logits, k=5)
    assert built_in()["top5_error"]()(logits, labels) == pytest.approx(expected)
    assert built_in()["top5_error"]()(np.zeros_like(logits), labels) == 1.0, "a tie counts against it"


def test_mean_absolute_error_is_what_scikit_learn_says() -> None:
    rng = np.random.default_rng(0)
    said, true = (rng.normal(size=(50, 3)).astype(np.float32) for _ in range(2))
    assert built_in()["mean_absolute_error"]()(said, true) == pytest.approx(mean_absolute_error(true, said))


def test_calibration_error_by_hand() -> None:
    """Ten examples at confidence 0.8 of which six are right, ten at 0.55 of which all are."""
    probabilities = np.array([[0.8, 0.2]] * 10 + [[0.55, 0.45]] * 10)
    labels = np.array([0] * 6 + [1] * 4 + [0] * 10)
    found = built_in()["calibration_error"]()(np.log(probabilities).astype(np.float32), labels)
    assert found == pytest.approx(0.5 * 0.2 + 0.5 * 0.45, abs=1e-6)


def test_a_class_that_no_example_has_is_left_out() -> None:
    logits, labels = np.eye(4, dtype=np.float32)[[0, 1, 1]], np.array([0, 1, 1])
    assert built_in()["macro_f1"]()(logits, labels) == 1.0
    assert built_in()["auroc"]()(logits, labels) == 1.0
    assert built_in()["auroc"]()(logits[1:], labels[1:]) == 0.5, "no other class: nothing can be told"


def test_what_is_maximised_is_recorded_as_its_loss() -> None:
    metrics = load_metrics(["macro_f1", "top5_error"])
    assert names_of(metrics) == ("macro_f1_loss", "top5_error")
    logits, labels = np.eye(8, dtype=np.float32), np.arange(8)
    assert values_of(metrics, [logits], labels) == {"macro_f1_loss": 0.0, "top5_error": 0.0}


class Broken:
    """Answers what `answer` says."""

    name, minimise, bounds, loss = "broken", True, (0.0, 1.0), ""

    def __init__(self, answer: object) -> None:
        self.answer = answer

    def __call__(self, outputs: object, targets: object) -> object:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (float("nan"), "expected a finite number, got nan"),
        (float("inf"), "expected a finite number, got inf"),
        (-0.1, "expected a number from 0 to 1, got -0.1"),
        ("0.5", "expected a number, got str"),
        (True, "expected a number, got bool"),
        (None, "expected a number, got NoneType"),
        (np.zeros(2), "expected a number, got ndarray"),
        (1j, "expected a number, got complex"),
        (KeyError("x"), "KeyError: 'x'"),
    ],
)
def test_a_metric_that_does_not_work_is_the_infrastructures_fault(answer: object, says: str) -> None:
    found = values_of([Broken(answer)], [np.zeros((2, 2), np.float32)], np.zeros(2, np.int64))  # type: ignore[list-item]
    assert isinstance(found, Failed)
    assert found.fault is Fault.INFRASTRUCTURE
    assert says in found.reason
    assert "metric broken: " in found.reason


@pytest.mark.parametrize("answer", [np.float32(0.5), np.float64(0.5), torch.tensor(0.5), np.array(0.5), 0.5])
def test_numbers_of_every_library_are_numbers(answer: object) -> None:
    found = values_of([Broken(answer)], [np.zeros((2, 2), np.float32)], np.zeros(2, np.int64))  # type: ignore[list-item]
    assert found == {"broken": 0.5}


class Greedy(Broken):
    """Tries to make every prediction a right one."""

    def __call__(self, outputs: Floats, targets: np.ndarray) -> float:  # type: ignore[override,type-arg]
        outputs[:] = 0
        return 0.0


def test_a_metric_can_change_nothing() -> None:
    outputs = np.ones((2, 2), np.float32)
    found = values_of([Greedy(0)], [outputs], np.zeros(2, np.int64))  # type: ignore[list-item]
    assert isinstance(found, Failed)
    assert "read-only" in found.reason
    assert outputs.all()
    outputs[:] = 2  # and whoever asked can still


def splits(*, regression: bool) -> Splits:
    draw = np.random.default_rng(0)
    x = draw.normal(size=(30, 4)).astype(np.float32)
    y = x[:, :1] if regression else (x[:, 0] > 0).astype(np.int64)
    return Splits(Split(x[:20], y[:20]), Split(x[20:], y[20:]))


def test_a_grading_measures_the_worse_of_two_predictions() -> None:
    data = splits(regression=False)
    right = np.stack([-data.validation.inputs[:, 0], data.validation.inputs[:, 0]], 1)
    grade = Classification(data, 2, load_metrics(["macro_f1"])).grade(right, -right)
    assert not isinstance(grade, Failed)
    assert grade.metrics == {"macro_f1_loss": 1.0}
    assert grade.scored(7).metrics.keys() == {"error", "params", "macro_f1_loss"}
    data = splits(regression=True)
    exact = data.validation.targets.astype(np.float32)
    grade = Regression(data, 1, load_metrics(["mean_absolute_error"])).grade(exact, exact + 0.5)
    assert not isinstance(grade, Failed)
    assert grade.metrics["mean_absolute_error"] == pytest.approx(0.5)


class Rings(evoarch.DataTask):
    """A task with metrics of its own."""

    offers = {"input_shape": (4,), "num_classes": 2}  # type: ignore[assignment]  # noqa: RUF012
    metrics = ("macro_f1", Broken(0.25))

    def splits(self, seed: int) -> Splits:
        return splits(regression=False)


def test_a_task_brings_metrics_by_name_or_as_objects() -> None:
    assert names_of(metrics_of(Rings())) == ("macro_f1_loss", "broken")
    assert metrics_of(load_task("digits")) == ()  # type: ignore[arg-type]
    task = Rings()
    task.metrics = ("macro_f2",)  # type: ignore[assignment]
    with pytest.raises(TaskError, match=r"task Rings: metrics: .*got 'macro_f2'; nearest is 'macro_f1'"):
        metrics_of(task)
    task.metrics = (3,)  # type: ignore[assignment]
    with pytest.raises(TaskError, match=r"task Rings: metrics: int: expected a metric, called with outputs"):
        metrics_of(task)
    task.metrics = "macro_f1"  # type: ignore[assignment]
    with pytest.raises(TaskError, match="expected a tuple of metrics, got 'macro_f1'"):
        metrics_of(task)


def test_a_metric_that_the_task_brings_too_is_measured_once_and_another_of_its_name_is_refused() -> None:
    assert names_of(joined(Rings(), load_metrics(["macro_f1"]))) == ("macro_f1_loss", "broken")
    with pytest.raises(TaskError, match="metric broken: task Rings brings another one of this name"):
        joined(Rings(), [Greedy(0)])  # type: ignore[list-item]


def test_a_task_that_measures_by_itself_takes_no_metrics() -> None:
    from evoarch.evaluators.registry import measuring

    with pytest.raises(TaskError, match="expected a task of examples; clrs/bfs measures by itself"):
        measuring(load_task("clrs/bfs"), None, None, metrics=load_metrics(["auroc"]))  # type: ignore[arg-type]


SOURCE = """import torch.nn as nn


class Model(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.layer = nn.Linear(4, num_classes)

    def forward(self, x):
        return self.layer(x)
"""


def test_metrics_are_measured_behind_the_real_walls_at_the_end_and_at_a_rung(
    walls: tuple[asyncio.Runner, Runner],
) -> None:
    loop, runner = walls
    task = Rings()
    recipe = replace(task.recipes["fast"], steps=40, schedule="constant")
    evaluator = Evaluator(task, recipe, runner, metrics=load_metrics(["calibration_error"]), ceiling=1.0)
    found = loop.run(evaluator.evaluate(SOURCE, digest="a", repeat=0)).outcome
    assert isinstance(found, Scored)
    assert list(found.metrics) == ["error", "params", "macro_f1_loss", "broken", "calibration_error"]
    part = evaluator.evaluate_segment(SOURCE, digest="a", repeat=0, segment=Segment(0, 20))
    early = loop.run(part).outcome
    assert isinstance(early, Scored)
    assert early.metrics.keys() == found.metrics.keys()


def test_the_recorded_name_of_each_metric_is_its_own() -> None:
    names = [recorded(kind()) for kind in built_in().values()]
    assert len(set(names)) == len(names)
