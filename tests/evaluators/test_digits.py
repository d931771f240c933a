from __future__ import annotations

import pytest
import torch

from evoarch.evaluators.inside.build import build
from evoarch.evaluators.task import Split
from evoarch.evaluators.tasks.digits import Digits
from evoarch.sandbox.child import load


def rows(split: Split) -> set[bytes]:
    return {row.tobytes() for row in split.inputs}


def test_no_image_is_in_two_splits() -> None:
    task = Digits()
    search, selecting, test = task.splits(3), task.selection_splits(3), task.sealed_tests(0)["held_out"]
    assert [len(s.targets) for s in (search.train, search.validation, selecting.validation, test)] == [
        847,
        250,
        300,
        400,
    ]
    pool = rows(search.train) | rows(search.validation)
    assert pool == rows(selecting.train)
    assert len(pool | rows(selecting.validation) | rows(test)) == 1797
    assert test.inputs.min() == 0
    assert test.inputs.max() == 1


@pytest.mark.parametrize("name", ["conv", "mlp"])
def test_baselines_fit_the_task(name: str) -> None:
    task = Digits()
    model = build(load(task.seeds[name]), {"entry": "Model", "offers": task.offers})
    assert model(torch.zeros(2, 1, 8, 8)).shape == (2, 10)
