"""Layers called inside a `return` come apart into statements, and the model computes the same."""

from __future__ import annotations

import ast
import types

import pytest
import torch
from torch import nn

from evoarch.evaluators.tasks import load_task
from evoarch.prompts.blocks import blocks
from evoarch.prompts.spans import INSERT, find
from evoarch.prompts.unnest import unnested

MODEL = """import torch
import torch.nn.functional as F
from torch import nn


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(4, 4)
        self.b = nn.Linear(4, 4)
        self.c = nn.Linear(4, 3)

    def forward(self, x):
        return {}
"""
RETURNS = {
    "self.c(F.relu(self.b(F.relu(self.a(x)))))": [
        "x = self.a(x)",
        "x = self.b(F.relu(x))",
        "return self.c(F.relu(x))",
    ],
    "self.c(F.relu(self.a(x)) + x)": ["h = self.a(x)", "return self.c(F.relu(h) + x)"],
    "F.relu(self.c(self.a(x)))": ["x = self.a(x)", "x = self.c(x)", "return F.relu(x)"],
    "self.c(self.a(x) * self.b(x))": ["h = self.a(x)", "x = self.b(x)", "return self.c(h * x)"],
    "self.c(torch.cat([self.a(x), self.b(x)], 1)[:, ::2])": [
        "h = self.a(x)",
        "x = self.b(x)",
        "return self.c(torch.cat([h, x], 1)[:, ::2])",
    ],
    "self.c(self.a(x) if x.sum() > 0 else self.b(x))": [
        "return self.c(self.a(x) if x.sum() > 0 else self.b(x))"
    ],
    "self.c(sum(self.a(x) for _ in range(2)))": ["return self.c(sum((self.a(x) for _ in range(2))))"],
    "self.c(x)": ["return self.c(x)"],
}


def model_of(source: str) -> nn.Module:
    genome = types.ModuleType("genome")
    exec(source, genome.__dict__)
    torch.manual_seed(0)
    made = genome.Model() if "num_classes" not in source else genome.Model(num_classes=10)
    assert isinstance(made, nn.Module)
    return made.eval()


@pytest.mark.parametrize("returned", RETURNS)
def test_each_layer_stands_in_a_statement_and_the_function_is_the_same(returned: str) -> None:
    source = MODEL.format(returned)
    apart = unnested(source)
    body = ast.parse(apart).body[-1]
    assert isinstance(body, ast.ClassDef)
    forward = body.body[-1]
    assert isinstance(forward, ast.FunctionDef)
    assert [ast.unparse(line) for line in forward.body] == RETURNS[returned]
    x = torch.randn(5, 4)
    torch.testing.assert_close(model_of(apart)(x), model_of(source)(x))
    assert unnested(apart) == apart


@pytest.mark.parametrize("name", ["mlp", "conv_base", "gru", "residual_cnn"])
def test_every_baseline_can_give_a_block_and_take_one(name: str) -> None:
    source = load_task("mnist1d").seeds[name]
    apart = unnested(source)
    assert blocks(apart, "Model")
    assert [span for span in find(apart, "Model") if span.kind == INSERT]
    x = torch.randn(3, 40)
    torch.testing.assert_close(model_of(apart)(x), model_of(source)(x))


@pytest.mark.parametrize(
    "text",
    ["def (:", "", "x = 1", "class Model:\n    pass\n", MODEL.replace("        return {}", "        pass")],
)
def test_other_text_stays_as_it_is(text: str) -> None:
    assert unnested(text) == text
