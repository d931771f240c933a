"""State that prediction would lack fails the dry run, which names it; what is recomputed does not."""

from __future__ import annotations

import types

import pytest
import torch

from evoarch.evaluators.inside.dry_run import dry_run

MODEL = """
import torch
from torch import nn


class Norm(nn.Module):
    def __init__(self):
        super().__init__()
        {init}

    def forward(self, x):
        {forward}


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(40, 8)
        self.norm = Norm()
        self.last = nn.Linear(8, 10)

    def forward(self, x):
        return self.last(self.norm(self.first(x)))
"""

OPTIONS = {
    "entry": "Model",
    "offers": {"input_shape": [40], "num_classes": 10},
    "kwargs": {},
    "loss": "cross_entropy",
}

MOVE = "self.mean = 0.5 * self.mean + 0.5 * x.detach().mean(0)"
LOST = {
    "a buffer that is not persistent": (
        "self.register_buffer('mean', torch.zeros(8), persistent=False)",
        f"if self.training:\n            {MOVE}\n        return x - self.mean",
        "buffer norm.mean (persistent=False)",
    ),
    "a plain tensor": (
        "self.mean = torch.zeros(8)",
        f"if self.training:\n            {MOVE}\n        return x - self.mean",
        "attribute norm.mean, a plain tensor",
    ),
    "a buffer of integers": (
        "self.register_buffer('steps', torch.zeros((), dtype=torch.int64))",
        "if self.training:\n            self.steps += 1\n        return x * (1 + self.steps)",
        "buffer norm.steps (integers)",
    ),
    "a number": (
        "self.steps = 0",
        "if self.training:\n            self.steps += 1\n        return x * (1 + self.steps)",
        "something that is neither a parameter nor a buffer",
    ),
    "a buffer that training makes": (
        "self.register_buffer('mean', None, persistent=False)",
        "if self.training or self.mean is None:\n            self.mean = x.detach().mean(0)\n"
        "        return x - self.mean",
        "buffer norm.mean (persistent=False)",
    ),
}
KEPT = {
    "a persistent buffer": (
        "self.register_buffer('mean', torch.zeros(8))",
        f"if self.training:\n            {MOVE}\n        return x - self.mean",
    ),
    "batch normalisation": ("self.norm = nn.BatchNorm1d(8)", "return self.norm(x)"),
    "a table that stays": (
        "self.register_buffer('table', torch.randn(8), persistent=False)",
        "return x + self.table",
    ),
    "a cache": (
        "self.cache = None",
        "if self.cache is None or len(self.cache) != len(x):\n"
        "            self.cache = torch.arange(len(x)).float()[:, None]\n        return x + self.cache",
    ),
    "a mean that is only looked at": (
        "self.register_buffer('mean', torch.zeros(8), persistent=False)",
        f"{MOVE}\n        return x",
    ),
    "noise": ("self.scale = 0.1", "return x + self.scale * torch.randn_like(x)"),
}


def tried(init: str, forward: str) -> None:
    genome = types.ModuleType("genome")
    exec(MODEL.format(init=init, forward=forward), genome.__dict__)
    torch.manual_seed(3)
    dry_run(genome, {}, OPTIONS, lambda stage: None)


@pytest.mark.parametrize("kind", LOST)
def test_what_prediction_would_lack_is_named(kind: str) -> None:
    init, forward, named = LOST[kind]
    with pytest.raises(ValueError, match="which prediction does not get") as caught:
        tried(init, forward)
    assert f"training changes {named}, which" in str(caught.value)


@pytest.mark.parametrize("kind", KEPT)
def test_what_crosses_or_is_made_again_is_fine(kind: str) -> None:
    tried(*KEPT[kind])
