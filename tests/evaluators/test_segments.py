"""Training in parts, through the real walls: it goes on bit by bit, and may begin with a parent's weights."""

from __future__ import annotations

import asyncio
import math

import numpy as np
import pytest
import torch
from torch import nn

from evoarch.archive.records import Failed, Scored
from evoarch.evaluators.evaluation import Evaluator
from evoarch.evaluators.inside.overlap import overlap
from evoarch.evaluators.inside.resume import inherit
from evoarch.evaluators.inside.schedule import HELD, annealed
from evoarch.evaluators.segments import Segment, inherited_share
from evoarch.evaluators.task import Evaluated, Recipe
from evoarch.evaluators.tasks.mnist1d import Mnist1d
from evoarch.evaluators.zero_cost import GRADSIGN, NASWOT, ZeroCost
from evoarch.sandbox.job import Runner

RECIPE = Recipe("parts", rate=0.02, steps=40, batch=100, hold=20)
MODEL = """
import torch, torch.nn as nn, torch.nn.functional as F

class Model(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.hidden = nn.Linear(40, 8)
        self.norm = nn.BatchNorm1d(8)
        self.drop = nn.Dropout(0.3)
        self.out = nn.Linear(8, num_classes)

    def forward(self, x):
        return self.out(self.drop(F.relu(self.norm(self.hidden(x)))))
"""

Loop = tuple[asyncio.Runner, Runner]


def trained(walls: Loop, segment: Segment, source: str = MODEL, recipe: Recipe = RECIPE) -> Evaluated:
    loop, runner = walls
    evaluator = Evaluator(Mnist1d(), recipe, runner, ceiling=1.0)
    return loop.run(evaluator.evaluate_segment(source, digest="name", repeat=0, segment=segment))


@pytest.mark.parametrize("checkpoints", [1, 4])
def test_training_in_parts_is_training_in_one_go(walls: Loop, checkpoints: int) -> None:
    recipe = Recipe("parts", rate=0.02, steps=40, batch=100, hold=20, checkpoints=checkpoints)
    whole = trained(walls, Segment(0, 40), recipe=recipe)
    paused = trained(walls, Segment(0, 10), recipe=recipe)
    assert isinstance(paused.outcome, Scored)
    assert not paused.weights, "what a rung measured is no elite's"
    again = trained(walls, Segment(10, 20, paused.state), recipe=recipe)
    ended = trained(walls, Segment(20, 40, again.state), recipe=recipe)
    assert not ended.state
    assert ended.outcome == whole.outcome
    for name, array in whole.weights.items():
        np.testing.assert_array_equal(ended.weights[name], array)


def test_a_state_of_another_model_is_the_childs_failure(walls: Loop) -> None:
    paused = trained(walls, Segment(0, 20))
    wider = MODEL.replace("8", "9")
    outcome = trained(walls, Segment(20, 40, paused.state), source=wider).outcome
    assert isinstance(outcome, Failed)
    assert "hidden.weight: expected shape (9, 40), got (8, 40)" in outcome.reason


def test_a_child_may_begin_with_its_parents_weights(walls: Loop) -> None:
    recipe = Recipe("short", rate=0.001, steps=2, batch=100)
    parent = trained(walls, Segment(0, 40))
    cold = trained(walls, Segment(0, 2), recipe=recipe).outcome
    warm = trained(walls, Segment(0, 2, inherit=parent.weights), recipe=recipe)
    assert isinstance(cold, Scored)
    assert isinstance(warm.outcome, Scored)
    assert warm.outcome.metrics["error"] < cold.metrics["error"] - 0.1
    assert warm.detail["inherited_share"] == 1.0
    wider = trained(
        walls, Segment(0, 2, inherit=parent.weights), source=MODEL.replace("8", "16"), recipe=recipe
    )
    # 40 x 8 + 8 of the first layer, 4 x 8 of the norm, 8 x 10 + 10 of the last, of twice the hidden width.
    assert wider.detail["inherited_share"] == pytest.approx(450 / (656 + 64 + 170), abs=1e-4)


def test_zero_cost_scores_come_from_what_the_child_counted(walls: Loop) -> None:
    loop, runner = walls
    evaluator = Evaluator(Mnist1d(), RECIPE, runner)

    def scored(source: str, *scores: str) -> ZeroCost:
        return loop.run(evaluator.zero_cost(source, digest="name", scores=scores))

    both = scored(MODEL, NASWOT, GRADSIGN)
    assert both.reason == ""
    assert both.cpu_seconds > 0
    # Eight units put 127 examples on no more than eight sides: their matrix is singular.
    assert both.values[NASWOT] == -math.inf
    wide = scored(MODEL.replace("8", "200"), NASWOT)
    assert math.isfinite(wide.values[NASWOT])
    assert scored(MODEL, GRADSIGN).values == {GRADSIGN: both.values[GRADSIGN]}
    assert 0 < both.values[GRADSIGN] <= 64 * (40 * 8 + 8 + 16 + 90)
    broken = scored(MODEL.replace("self.hidden(x)", "self.hidden(x[:, :7])"), NASWOT)
    assert not broken.values
    assert "shape" in broken.reason


def test_only_widths_may_differ() -> None:
    assert overlap((8, 4), (6, 9)) == (6, 4)
    assert overlap((8, 4, 3), (6, 9, 3)) == (6, 4, 3)
    assert overlap((8, 4, 3), (8, 4, 5)) == ()
    assert overlap((8,), (8, 1)) == ()


def test_the_slice_is_copied_and_the_rest_stays_as_initialised() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.Conv1d(2, 2, 5))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    given = {"0.weight": torch.full((2, 5), 7.0), "0.bias": torch.ones(4, dtype=torch.int64)}
    given |= {"1.weight": torch.zeros(2, 2, 3), "elsewhere": torch.zeros(1)}
    inherit(model, given)
    after = model.state_dict()
    assert after["0.weight"][:2, :3].eq(7.0).all()
    assert after["0.weight"][2:].equal(before["0.weight"][2:])
    for name in ("0.bias", "1.weight", "1.bias"):
        assert after[name].equal(before[name])
    arrays = {name: value.numpy() for name, value in before.items()}
    parents = {name: value.numpy() for name, value in given.items()}
    assert inherited_share(arrays, parents) == pytest.approx(6 / (12 + 4 + 20 + 2))


def test_the_rate_is_held_then_rises_to_the_peak_and_falls_to_nothing() -> None:
    rates = [annealed(step, 100, 400) for step in range(400)]
    assert rates[:100] == [HELD] * 100
    assert rates.index(max(rates)) == 190
    assert max(rates) == 1.0
    assert rates[-1] < 1e-3
    assert rates[100:191] == sorted(rates[100:191])
    assert rates[190:] == sorted(rates[190:], reverse=True)
