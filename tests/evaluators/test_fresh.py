"""A table of the validation labels in a source: it is counted, and fresh examples show it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np

from evoarch.agent.analysis.memorised import memorised
from evoarch.archive.records import FULL, Evaluation, Scored
from evoarch.archive.store import create
from evoarch.evaluators.evaluation import Evaluator
from evoarch.evaluators.task import Evaluated, Recipe
from evoarch.evaluators.tasks.mnist1d import Mnist1d
from evoarch.sandbox.job import Runner

Loop = tuple[asyncio.Runner, Runner]
RECIPE = Recipe("short", rate=0.02, steps=60, batch=100)

HONEST = """
import torch.nn as nn
class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(40, 10)

    def forward(self, x):
        return self.linear(x)
"""

TABLE = """
import torch, torch.nn as nn
KEYS = torch.tensor({keys})
LABELS = torch.tensor([int(c) for c in {labels!r}])
class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(40, 10)

    def forward(self, x):
        y = self.linear(x)
        near = (x[:, :1] * 1e5).round().long() == KEYS
        known = near.any(1, keepdim=True)
        return y + 100.0 * known * nn.functional.one_hot(LABELS[near.int().argmax(1)], 10)
"""
"""Knows each validation example by its first number."""


def table() -> str:
    split = Mnist1d().splits(0).validation
    keys = np.round(split.inputs[:, 0] * np.float32(1e5)).astype(np.int64)
    return TABLE.format(keys=keys.tolist(), labels="".join(map(str, split.targets.tolist())))


def evaluate(walls: Loop, source: str, fresh_seed: int | None = 5) -> Evaluated:
    loop, runner = walls
    evaluator = Evaluator(Mnist1d(), RECIPE, runner, ceiling=1.0, fresh_seed=fresh_seed)
    return loop.run(evaluator.evaluate(source, digest="d", repeat=0))


def error(evaluated: Evaluated) -> float:
    assert isinstance(evaluated.outcome, Scored), evaluated.outcome
    return evaluated.outcome.metrics["error"]


def test_a_table_of_labels_is_counted_and_named(walls: Loop, tmp_path: Path) -> None:
    store = create(tmp_path, name="c", seed=0)
    found = [evaluate(walls, source) for source in (HONEST, table())]
    for number, each in enumerate(found, start=1):
        store.add_seed(f"s{number}", str(number), str(number))
        store.start(number)
        store.settle(Evaluation(number, FULL, 0, each.outcome, 0.0, 0.0, "seed", each.correct, each.detail))
    honest, cheat = found
    assert error(cheat) < 0.1 < error(honest), "the table works: nothing else stops it"
    assert isinstance(honest.outcome, Scored)
    assert isinstance(cheat.outcome, Scored)
    assert honest.outcome.metrics["params"] == 410
    assert cheat.outcome.metrics["params"] > 600
    assert cheat.detail["source_params"] == cheat.outcome.metrics["params"] - 410
    assert [each.id for each in memorised(store, 500)] == [2]
    assert "fresh examples" in memorised(store, 500)[0].words


def test_fresh_examples_change_no_score(walls: Loop) -> None:
    with_fresh, without = evaluate(walls, HONEST), evaluate(walls, HONEST, fresh_seed=None)
    assert with_fresh.outcome == without.outcome
    assert with_fresh.correct == without.correct
    assert "fresh" not in without.detail
