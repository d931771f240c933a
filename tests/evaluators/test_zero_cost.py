"""Zero-cost scores against direct transcriptions of their papers' definitions."""

from __future__ import annotations

import copy
import math
import runpy
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from evoarch.evaluators.inside.zero_cost import zero_cost
from evoarch.evaluators.zero_cost import GRADSIGN, NASWOT, gradsign, naswot, scores_of
from evoarch.sandbox.outcome import Finished, Usage
from kit.paths import BENCHMARKS

INPUTS = torch.randn(11, 6, generator=torch.Generator().manual_seed(1))
TARGETS = torch.arange(11) % 3


class Net(nn.Module):
    """One activation in place, one as a function, one as a module."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two, self.three = nn.Linear(6, 16), nn.Linear(16, 12), nn.Linear(12, 3)
        self.bend, self.drop = nn.ReLU(inplace=True), nn.Dropout(0.5)
        self.seen: list[torch.Tensor] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        first = self.one(x)
        self.seen.append(first.detach().clone())
        second = self.two(self.bend(first))
        self.seen.append(second.detach().clone())
        logits: torch.Tensor = self.three(self.drop(functional.gelu(second)))
        return logits


def material(model: nn.Module, *scores: str, signed: int = 5) -> dict[str, np.ndarray[Any, Any]]:
    genome: Any = SimpleNamespace(Model=lambda: model)
    options: dict[str, Any] = {
        "entry": "Model",
        "offers": {"input_shape": [6], "num_classes": 3},
        "loss": "cross_entropy",
    }
    options |= {"scores": list(scores), "signed": signed}
    arrays = {"inputs": INPUTS, "targets": TARGETS}
    made, notes = zero_cost(genome, arrays, options, lambda stage: None)
    assert not notes
    return {name: value.numpy() for name, value in made.items()}


def test_naswot_is_the_log_determinant_of_agreement() -> None:
    torch.manual_seed(0)
    model = Net()
    kernel = material(model, NASWOT)[NASWOT]
    codes = torch.cat(model.seen, dim=1) > 0
    agreement = [[int((one == other).sum()) for other in codes] for one in codes]
    np.testing.assert_array_equal(kernel, agreement)
    assert naswot(kernel) == pytest.approx(math.log(abs(np.linalg.det(np.array(agreement, float)))))


def test_models_that_bend_nowhere_come_last() -> None:
    assert naswot(material(nn.Linear(6, 3), NASWOT)[NASWOT]) == -math.inf
    assert naswot(np.ones((4, 4))) == -math.inf


def test_gradsign_is_the_sum_over_parameters_of_summed_signs() -> None:
    torch.manual_seed(0)
    model = Net()
    histogram = material(model, GRADSIGN)[GRADSIGN]
    plain = copy.deepcopy(model).eval()
    total = [torch.zeros_like(p) for p in plain.parameters()]
    for x, y in zip(INPUTS[:5], TARGETS[:5], strict=True):
        plain.zero_grad()
        functional.cross_entropy(plain(x[None]), y[None]).backward()  # type: ignore[no-untyped-call]
        for each, parameter in zip(total, plain.parameters(), strict=True):
            assert parameter.grad is not None
            each += parameter.grad.sign()
    assert gradsign(histogram) == sum(float(each.abs().sum()) for each in total)
    assert histogram.sum() == sum(p.numel() for p in plain.parameters())


def test_material_of_another_shape_is_no_score() -> None:
    def told(**arrays: np.ndarray[Any, Any]) -> Any:
        outcome = Finished(arrays=arrays, notes={}, usage=Usage())
        return scores_of(outcome, (NASWOT, GRADSIGN), 11)

    good = {NASWOT: np.eye(11), GRADSIGN: np.ones(12, np.int64)}
    assert told(**good).values == {NASWOT: 0.0, GRADSIGN: 66.0}
    for wrong in (np.eye(12), np.eye(11)[None], np.full((11, 11), np.nan)):
        found = told(**{**good, NASWOT: wrong})
        assert [*found.values] == [GRADSIGN]
        assert found.reason == "the child sent no sound material for naswot"


def test_the_benchmark_tells_each_score_beside_the_count() -> None:
    report = runpy.run_path(str(BENCHMARKS / "zero_cost.py"))["report"]
    cost = {"params": 0.0, NASWOT: 0.1, GRADSIGN: 0.2, "training": 2.0}
    rows = [{"error": n / 20, "params": 100 + n, NASWOT: -n, GRADSIGN: n % 3, "cpu": cost} for n in range(10)]
    head, *lines, last = report(rows, 0)
    assert [line.split()[0] for line in lines] == ["params", NASWOT, GRADSIGN]
    assert "-1.00 (-1.00 to -1.00), 45 pairs" in lines[0]
    assert "+1.00 (+1.00 to +1.00), 45 pairs" in lines[1]
    assert last == "10 children; a full training takes 2.000 CPU s"
    assert "Spearman" in head
