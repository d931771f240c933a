"""Mutation, crossover and the random draw: what they promise for any source and any randomness."""

import ast
import asyncio
import math
import random
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import libcst as cst
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from evoarch.agent.operators.base import Draft, Operator, Order
from evoarch.agent.operators.random_draw import RandomDraw, draw
from evoarch.agent.operators.registry import built_in
from evoarch.agent.operators.syntactic.crossover import SyntacticCrossover
from evoarch.agent.operators.syntactic.dataflow import FlowContext
from evoarch.agent.operators.syntactic.mutate import KINDS, MAX_CHARACTERS, SyntacticMutate
from evoarch.agent.operators.syntactic.sizes import counted
from evoarch.agent.operators.syntactic.view import completed, look, same
from evoarch.agent.operators.syntactic.vocabulary import HELPERS
from evoarch.agent.operators.syntactic.walking import walk
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


def built(source: str) -> Any:
    scope: dict[str, Any] = {}
    exec(source, scope)  # the vocabulary's own text
    torch.manual_seed(0)
    return scope["Model"]()


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


class Seen(cst.CSTVisitor):
    """What a walk calls, in order."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, cst.CSTNode]] = []

    def visit_Call(self, node: cst.Call) -> None:  # noqa: N802
        self.calls.append(("call", node))

    def leave_Call(self, original_node: cst.Call) -> None:  # noqa: N802
        self.calls.append(("left", original_node))

    def visit_Name(self, node: cst.Name) -> None:  # noqa: N802
        self.calls.append(("name", node))

    def visit_Subscript(self, node: cst.Subscript) -> bool:  # noqa: N802
        self.calls.append(("subscript", node))
        return False


ORDERED = """
@first(1)
def f(a: int = one(), /, b=two(), *rest, c: str = "x", **more) -> three():
    try:
        y = [p if q else r for p in s if t] + {**u, "k": v}
    except (E, F) as error:
        raise G(error) from error
    with open(h) as i, j:
        k = lambda l, m=2: l(m) if not n else -o[p(1) : q]
    match a:
        case Point(x=0) | [1, *z]:
            pass
    del w; assert a < b <= c, f"{d(e)!r} and {g}"


@second
class C(D, metaclass=M):
    z: int = 3
    async def h(self): return await (x := self.y(1)(2, k=3, *a, **b))
"""


@pytest.mark.parametrize("source", [*ALL.values(), ORDERED, *HELPERS.values()])
def test_a_walk_calls_a_visitor_as_libcst_does(source: str) -> None:
    module = cst.parse_module(source)
    ours, theirs = Seen(), Seen()
    walk(module, ours)
    module.visit(theirs)
    assert ours.calls == theirs.calls


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
    "pooled": "return self.linear(x.amax(-1))",
    "resized": "self.conv1 = nn.Conv1d(1, 4, 5, padding=2)",
    "strided_late": "self.conv2 = nn.Conv1d(8, 16, 3, padding=1, stride=2)",
    "recurrent_first": "Recurrent(nn.GRU(1, 8, batch_first=True)), nn.Conv1d(8, 8, 5, padding=2))",
}


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_each_kind_of_mutation_makes_its_change(kind: str) -> None:
    view = look(NET.replace("5, padding=2)", "5, padding=2, stride=2)") if kind == "strided_late" else NET)
    changes = (KINDS[kind][0](view, random.Random(seed), FlowContext(OFFERS)) for seed in range(150))
    children = (completed(change.module) for change in changes if change is not None)
    assert any(EXPECTED[kind] in child for child in children)


def test_resizing_keeps_the_widths_of_neighbours_together() -> None:
    for seed in range(30):
        change = KINDS["resized"][0](look(NET), random.Random(seed), FlowContext(OFFERS))
        assert change is not None
        first, second = (
            re.search(pattern, change.module.code) for pattern in (r"1, (\d+), 5", r"(\d+), (\d+), 3,")
        )
        assert first is not None
        assert second is not None
        wide = int(second[2])
        assert second[1] == first[1]
        assert f"nn.BatchNorm1d({wide})" in change.module.code
        assert f"nn.Linear({20 * wide}, 10)" in change.module.code
        told = float(re.findall(r"scaled, ([0-9.]+) times", change.what)[0])
        ratio = counted(change.module.code) / counted(NET)
        assert ratio == pytest.approx(told, abs=0.01)
        assert 0.2 < ratio < 0.9 or 1.1 < ratio < 4.5


@pytest.mark.parametrize("shape", [(40,), (1, 40), (1, 8, 8), (3, 32, 32)])
@pytest.mark.parametrize("operator", ["random", "grammar.draw"])
def test_drawn_sizes_are_spread_from_a_hundred_to_a_hundred_thousand(
    operator: str, shape: tuple[int, ...]
) -> None:
    """Each of the three decades has its share, of models that run."""
    sizes = []
    order = Order(60, [], offers={"input_shape": shape, "num_classes": 10})
    for draft in asyncio.run(built_in()[operator]().propose(order, random.Random(0), None)):
        model = built(draft.source)
        assert model.eval()(torch.randn(2, *shape)).shape == (2, 10)
        sizes.append(sum(parameter.numel() for parameter in model.parameters()))
    decades = Counter(min(4, max(2, int(math.log10(size)))) for size in sizes)
    assert min(decades[decade] for decade in (2, 3, 4)) >= 10
    assert max(sizes) < 130_000


def test_the_count_of_a_text_is_what_torch_has() -> None:
    layers = [
        "nn.Conv1d(3, 8, 5, padding=2, bias=False)",
        "nn.Conv2d(4, 8, 3, groups=4)",
        "nn.ConvTranspose1d(3, 6, 4, 2)",
        "nn.Linear(7, 5)",
        "nn.BatchNorm2d(9)",
        "nn.GroupNorm(1, 9)",
        "nn.LayerNorm(6)",
        "nn.GRU(3, 5, batch_first=True)",
        "nn.LSTM(3, 5, batch_first=True, bidirectional=True)",
        "nn.RNN(2, 3)",
        "nn.MultiheadAttention(8, 2)",
        "nn.MaxPool1d(2)",
        "nn.Own(3, 4)",
    ]
    for text in layers[:-1]:
        module = eval(text, {"nn": torch.nn})  # the texts above
        assert counted(text) == sum(parameter.numel() for parameter in module.parameters()), text
    total = sum(counted(text) for text in layers)
    assert counted(f"nn.Sequential({', '.join(layers)})") == total


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
