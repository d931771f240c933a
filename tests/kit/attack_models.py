"""Genomes whose weights are worth nothing, for attacks to be put into, and how they are evaluated."""

from __future__ import annotations

import asyncio

from evoarch.archive.records import Failed, Outcome
from evoarch.evaluators.evaluation import Evaluator
from evoarch.evaluators.task import Evaluated, Recipe
from evoarch.evaluators.tasks.mnist1d import Mnist1d
from evoarch.sandbox.job import Runner
from evoarch.sandbox.limits import Limits

USELESS = """
import gc, os, sys, struct, json, time
import torch, torch.nn as nn, torch.nn.functional as F
{setup}
class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(40, 10)
        {init}

    def forward(self, x):
        y = self.linear(x) * 0
        {forward}
        return y
"""
"""Its weights are worth nothing; `setup`, `init` and `forward` are where an attack goes."""

RECIPE = Recipe("short", rate=0.02, steps=20, batch=100)
LIMITS = Limits(wall_clock=20, cpu_seconds=20)

Loop = tuple[asyncio.Runner, Runner]


def evaluate(walls: Loop, source: str, limits: Limits = LIMITS) -> Evaluated:
    loop, runner = walls
    evaluator = Evaluator(Mnist1d(), RECIPE, runner, limits=limits, ceiling=1.0)
    return loop.run(evaluator.evaluate(source, digest="attack", repeat=0))


def useless(setup: str = "", init: str = "", forward: str = "") -> str:
    indented = {"init": init.replace("\n", "\n        "), "forward": forward.replace("\n", "\n        ")}
    return USELESS.format(setup=setup, **indented)


def failed(outcome: Outcome) -> Failed:
    assert isinstance(outcome, Failed), outcome
    return outcome
