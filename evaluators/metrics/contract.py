"""What every metric must do, as one importable test class.

Subclass it in a test module and give one fixture, `metric`:

    class TestMyMetric(evoarch.MetricContract):
        @pytest.fixture
        def metric(self):
            return WorstClass()
"""

from __future__ import annotations

import math

import numpy as np

from evoarch.evaluators.metrics.base import Metric, recorded
from evoarch.evaluators.metrics.registry import load_metrics, values_of
from evoarch.evaluators.task import Floats, Targets

EXAMPLES, CLASSES, OUTPUTS = 240, 8, 3


class MetricContract:
    """All tests are quick: they ask about a few hundred made-up examples."""

    def predictions(self, metric: Metric, seed: int = 0) -> tuple[Floats, Targets]:
        """Outputs at random and targets: of a regression where the metric is for one, else of classes."""
        draw = np.random.default_rng(seed)
        if metric.loss == "mean_squared_error":
            targets = draw.normal(size=(EXAMPLES, OUTPUTS)).astype(np.float32)
            return draw.normal(size=targets.shape).astype(np.float32), targets
        if metric.loss == "next_token":
            tokens = draw.integers(0, CLASSES, (EXAMPLES, OUTPUTS))
            return draw.normal(size=(*tokens.shape, CLASSES)).astype(np.float32), tokens
        if metric.loss == "pixel_cross_entropy":
            masks = draw.integers(0, CLASSES, (EXAMPLES, 2, 2))
            return draw.normal(size=(EXAMPLES, CLASSES, 2, 2)).astype(np.float32), masks
        labels = draw.integers(0, CLASSES, EXAMPLES)
        labels[:CLASSES] = np.arange(CLASSES)
        return draw.normal(size=(EXAMPLES, CLASSES)).astype(np.float32), labels

    def perfect(self, targets: Targets) -> Floats:
        """The outputs of a model that is always right and sure."""
        if targets.dtype == np.float32:
            return targets.astype(np.float32)
        sure = (50.0 * np.eye(CLASSES)[targets.astype(np.int64)]).astype(np.float32)
        return np.moveaxis(sure, -1, 1) if targets.ndim == 3 else sure

    def value(self, metric: Metric, outputs: Floats, targets: Targets) -> float:
        """As a campaign records it: smaller is better."""
        found = values_of([metric], [outputs], targets)
        assert isinstance(found, dict), f"{metric.name}: {found.reason}"
        return found[recorded(metric)]

    def test_it_says_what_a_campaign_needs(self, metric: Metric) -> None:
        assert load_metrics([metric.name], given=[] if _built_in(metric) else [metric])

    def test_it_gives_a_number_within_its_bounds(self, metric: Metric) -> None:
        for seed in range(3):
            assert math.isfinite(self.value(metric, *self.predictions(metric, seed)))

    def test_being_right_is_better_than_guessing(self, metric: Metric) -> None:
        outputs, targets = self.predictions(metric)
        assert self.value(metric, self.perfect(targets), targets) < self.value(metric, outputs, targets)

    def test_the_order_of_examples_does_not_matter(self, metric: Metric) -> None:
        outputs, targets = self.predictions(metric)
        order = np.random.default_rng(1).permutation(len(targets))
        first, other = (self.value(metric, outputs[o], targets[o]) for o in (np.arange(len(order)), order))
        np.testing.assert_allclose(first, other, rtol=1e-9, atol=1e-12)

    def test_the_same_question_has_the_same_answer_and_changes_nothing(self, metric: Metric) -> None:
        outputs, targets = self.predictions(metric)
        before = outputs.copy(), targets.copy()
        assert self.value(metric, outputs, targets) == self.value(metric, outputs, targets)
        np.testing.assert_array_equal(outputs, before[0])
        np.testing.assert_array_equal(targets, before[1])

    def test_equal_outputs_are_measured_too(self, metric: Metric) -> None:
        """A model that says the same of every example is a bad one, and no fault of the machine."""
        outputs, targets = self.predictions(metric)
        assert math.isfinite(self.value(metric, np.zeros_like(outputs), targets))

    def test_the_worse_of_two_predictions_counts(self, metric: Metric) -> None:
        outputs, targets = self.predictions(metric)
        both = values_of([metric], [self.perfect(targets), outputs], targets)
        assert both == {recorded(metric): self.value(metric, outputs, targets)}


def _built_in(metric: Metric) -> bool:
    return type(metric).__module__.startswith("evoarch.")
