"""Mutation, crossover and the random draw: what they promise for any source and any randomness."""

import ast
import asyncio
import random
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evoarch.agent.operators.base import Draft, Operator, Order
from evoarch.agent.operators.random_draw import RandomDraw, draw
from evoarch.agent.operators.syntactic.crossover import SyntacticCrossover
from evoarch.agent.operators.syntactic.dataflow import FlowContext
from evoarch.agent.operators.syntactic.mutate import KINDS, MAX_CHARACTERS, SyntacticMutate
from evoarch.agent.operators.syntactic.view import completed, look, same
from evoarch.evaluators.tasks import mnist1d
from evoarch.sandbox.vet import vet
from kit.proposing import proposed

OFFERS: Mapping[str, object] = {"input_shape": (40,), "num_classes": 10}
SEEDS = {
    path.stem: path.read_text() for path in sorted((Path(mnist1d.__file__).parent / "seeds").glob("*.py"))
}

BROUGHT = {
    "function": """
from torch import nn
def Model(num_classes):
    layers = [nn.Linear(40, 30)]
    for width in (30, 20):
        layers += [nn.ReLU(), nn.Linear(30, 30)]
    return nn.Sequential(*layers, nn.Linear(30, num_classes))
""",
    "several classes": """
import torch
from torch import nn
class Block(nn.Module):
    def __init__(self, inputs, outputs, kernel=3):
        super().__init__()
        self.conv = nn.Conv1d(inputs, outputs, kernel, padding=kernel // 2)
        self.norm = nn.BatchNorm1d(outputs)
    def forward(self, x):
        return torch.relu(self.norm(self.conv(x)))
class Model(nn.Module):
    def __init__(self, num_classes: int = 10, width: int = 16):
        super().__init__()
        self.blocks = nn.ModuleList([Block(1, width), *[Block(width, width) for _ in range(2)]])
        self.net = nn.Sequential(nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Dropout(0.1))
        self.head = nn.Linear(width, num_classes)
    def forward(self, x):
        x = x[:, None]
        for block in self.blocks:
            x = block(x)
        return self.head(self.net(x))
""",
    "no layer": "def Model():\n    return make()\n",
    "no model": "x: int\ndel x\nwith a as b: pass\n",
    "empty": "",
    "odd": "import torch.nn as nn\nnn.Sequential()(nn.Conv1d(*a, **k), self.x(), x.view(), nn.Linear())\n",
}
ALL = {**SEEDS, **BROUGHT}
seeds = st.integers(0, 10**6)


def check(draft: Draft, parent: str) -> None:
    if draft.problem:
        assert draft.source == ""
        return
    ast.parse(draft.source)
    assert draft.change
    assert not same(draft.source, parent)
    assert len(draft.source) <= max(MAX_CHARACTERS, len(parent))


@given(st.sampled_from(sorted(ALL)), seeds)
@settings(max_examples=25, deadline=None)
def test_a_mutated_child_parses_differs_and_stays_small(name: str, seed: int) -> None:
    (draft,) = proposed(SyntacticMutate(), [ALL[name]], seed)
    check(draft, ALL[name])
    if name in SEEDS:
        assert draft.source, draft.problem
        assert vet(draft.source, offers=OFFERS) == []


@given(st.sampled_from(sorted(ALL)), st.sampled_from(sorted(ALL)), seeds)
@settings(max_examples=25, deadline=None)
def test_a_crossed_child_parses_differs_and_stays_small(base: str, donor: str, seed: int) -> None:
    (draft,) = proposed(SyntacticCrossover(), [ALL[base], ALL[donor]], seed)
    check(draft, ALL[base])
    if base in SEEDS and donor in SEEDS:
        assert draft.source, draft.problem
        assert vet(draft.source, offers=OFFERS) == []


@given(seeds, st.sampled_from([(40,), (3, 32), (1, 28, 28)]))
@settings(max_examples=20, deadline=None)
def test_a_random_draw_passes_the_vetting(seed: int, shape: tuple[int, ...]) -> None:
    source = draw(random.Random(seed), shape, 10)
    assert vet(source, offers={"input_shape": shape, "num_classes": 10}) == []
    assert len(source) <= MAX_CHARACTERS


@pytest.mark.parametrize("operator", [SyntacticMutate(), SyntacticCrossover(), RandomDraw()])
def test_operators_are_functions_of_order_and_randomness(operator: Operator) -> None:
    sources = [SEEDS["conv_base"], SEEDS["residual_cnn"]][: operator.arity]
    first, again = (proposed(operator, sources, 7, count=5) for _ in range(2))
    assert first == again
    assert len({draft.source for draft in first}) > 2


@pytest.mark.parametrize("name", ["no layer", "empty"])
def test_a_parent_without_layers_is_a_problem_not_a_crash(name: str) -> None:
    (draft,) = proposed(SyntacticMutate(), [BROUGHT[name]], 0)
    assert draft.problem.startswith("nothing to change")
    (draft,) = proposed(SyntacticCrossover(), [BROUGHT[name], SEEDS["mlp"]], 0)
    assert draft.problem.startswith("nothing to exchange")


def test_random_says_what_the_task_must_offer() -> None:
    order = Order(2, [], offers={"length": 3})
    drafts = asyncio.run(RandomDraw().propose(order, random.Random(0), None))
    assert len(drafts) == 2
    assert "expected offers input_shape" in drafts[0].problem


NET = """import torch.nn as nn


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        size = 6
        self.conv1 = nn.Conv1d(1, 8, 5, padding=2)
        self.conv2 = nn.Conv1d(8, 16, 3, padding=1)
        self.norm = nn.BatchNorm1d(16)
        self.drop = nn.Dropout(0.2)
        self.pool = nn.MaxPool1d(2)
        self.linear = nn.Linear(320, 10)

    def forward(self, x):
        x = self.pool(self.drop(nn.functional.relu(self.norm(self.conv2(self.conv1(x.unsqueeze(1)))))))
        return self.linear(x.flatten(1))
"""

EXPECTED = {
    "width": "self.conv2 = nn.Conv1d(8, 4, 3, padding=1)",
    "all_widths": "self.conv1 = nn.Conv1d(1, 12, 5, padding=2)",
    "kernel": "nn.Conv1d(1, 8, 7, padding=3)",
    "stride": "nn.Conv1d(8, 16, 3, padding=1, stride=2)",
    "dilation": "nn.Conv1d(8, 16, 3, padding=2, dilation=2)",
    "groups": "nn.Conv1d(8, 16, 3, padding=1, groups=8)",
    "dropout_rate": "nn.Dropout(0.1)",
    "activation": "F.gelu(self.norm(",
    "number": "size = 9",
    "add": "self.norm2(self.conv1(",
    "remove": "self.pool(nn.functional.relu(",
    "duplicate": "self.conv2_(self.conv2(",
    "replace": "nn.AvgPool1d(2)",
    "residual": "Residual(nn.Conv1d(8, 16, 3, padding=1), nn.Conv1d(8, 16, 1))",
    "pooled": "return self.linear(x.mean(-1))",
}


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_each_kind_of_mutation_makes_its_change(kind: str) -> None:
    view = look(NET)
    changes = (KINDS[kind][0](view, random.Random(seed), FlowContext(OFFERS)) for seed in range(150))
    children = (completed(change.module) for change in changes if change is not None)
    assert any(EXPECTED[kind] in child for child in children)


def test_a_width_takes_its_evident_consumers_along() -> None:
    view = look(NET)
    for seed in range(60):
        change = KINDS["width"][0](view, random.Random(seed), FlowContext(OFFERS))
        if change is not None and "conv2 16 -> 32" in change.what:
            assert "nn.BatchNorm1d(32)" in change.module.code
            assert "nn.Linear(640, 10)" in change.module.code
            return
    pytest.fail("no seed widened conv2 to 32")


def test_global_pooling_sets_the_linear_layer_that_reads_it() -> None:
    change = KINDS["pooled"][0](look(NET), random.Random(0), FlowContext(OFFERS))
    assert change is not None
    assert "nn.Linear(16, 10)" in change.module.code


@pytest.mark.parametrize("above", ["", '"""A\f form feed."""\n', "# one\f\n"])
def test_helpers_and_imports_are_added_once_and_where_they_are_needed(above: str) -> None:
    source = f"{above}from torch import nn\n\n\ndef Model():\n    return Residual(nn.Linear(4, 4))\n"
    text = completed(look(source).module)
    assert text.count("class Residual") == 1
    assert text.index("from torch import nn") < text.index("class Residual") < text.index("def Model")
    assert completed(look(text).module) == text
