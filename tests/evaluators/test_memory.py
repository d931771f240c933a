"""What a training adds to memory: of small models too, the same each time, more for a larger one."""

from __future__ import annotations

import asyncio
from dataclasses import asdict, replace

import pytest

from evoarch.evaluators.tasks import load_task
from evoarch.sandbox.job import Job, Runner
from evoarch.sandbox.limits import Limits
from evoarch.sandbox.outcome import Finished

MLP = """from torch import nn


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(40, {0}), nn.ReLU(), nn.Linear({0}, {0}), nn.ReLU(), nn.Linear({0}, 10)
        )

    def forward(self, x):
        return self.net(x)
"""

MIB = 1 << 20


@pytest.fixture(scope="module")
def taken(walls: tuple[asyncio.Runner, Runner]) -> dict[str, list[float]]:
    """By model, the MiB of three trainings of it."""
    loop, runner = walls
    task = load_task("mnist1d")
    # Several times as long as the walls need to see it once (0.05 s), as trainings are.
    splits, recipe = task.splits(0), asdict(replace(task.recipes["fast"], steps=300))  # type: ignore[attr-defined]
    sources = {str(width): MLP.format(width) for width in (8, 64, 256, 512)}
    found: dict[str, list[float]] = {}
    for name, source in (sources | {"conv_base": task.seeds["conv_base"]}).items():
        for seed in range(3):
            job = Job(
                function="train",
                genome=source,
                arrays={"inputs": splits.train.inputs, "targets": splits.train.targets},
                options={"entry": "Model", "offers": dict(task.offers), "kwargs": {}, "loss": task.loss}
                | {"recipe": recipe},
                seed=seed,
                limits=Limits(),
            )
            outcome = loop.run(runner.run(job))
            assert isinstance(outcome, Finished), outcome
            found.setdefault(name, []).append(outcome.usage.above / MIB)
    return found


def test_no_training_takes_nothing(taken: dict[str, list[float]]) -> None:
    assert all(min(each) > 0 for each in taken.values()), taken


def test_a_larger_model_takes_more(taken: dict[str, list[float]]) -> None:
    for small, large in (("8", "64"), ("64", "256"), ("256", "512"), ("64", "conv_base")):
        assert max(taken[small]) < min(taken[large]), taken


def test_weights_gradients_and_moments_are_in_it(taken: dict[str, list[float]]) -> None:
    # AdamW keeps two moments: four times the weights. Activations, and the weights that go out, come on top.
    for name in ("256", "512"):
        width = int(name)
        weights = 4 * (40 * width + width * width + 10 * width + 2 * width + 10) / MIB
        assert 4 * weights < min(taken[name]) < 4 * weights + 10, (name, weights, taken)


def test_the_same_training_takes_the_same(taken: dict[str, list[float]]) -> None:
    for name, each in taken.items():
        assert max(each) - min(each) < 0.25 + 0.1 * max(each), (name, each)
