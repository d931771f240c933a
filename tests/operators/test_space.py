"""Families: what is lifted out of a file goes back exactly, other numbers keep to what must follow, and
`space.fill` proposes by a classical search of the family's past."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import evoarch
from evoarch.agent.operators.base import Draft, Order, Parent
from evoarch.agent.operators.space.family import Family, Value, bounds, lifted
from evoarch.agent.operators.space.fill import SpaceFill
from evoarch.agent.operators.syntactic.vocabulary import ACTIVATIONS
from evoarch.evaluators.tasks import load_task
from evoarch.sandbox.genome import source_digest
from kit.paths import ROOT

OFFERS = {"input_shape": (1, 40), "num_classes": 10}
FILES = sorted(
    [
        *(ROOT / "evaluators" / "tasks").glob("*/seeds/*.py"),
        *(ROOT / "evaluators" / "zoo" / "families").glob("*.py"),
    ]
)


def drawn(family: Family, rng: random.Random) -> dict[str, Value]:
    """A value for each knob, of all that a search may try."""
    values: dict[str, Value] = {}
    for knob in family.knobs:
        if knob.kind == "activation":
            values[knob.name] = rng.choice(sorted(ACTIVATIONS))
            continue
        low, high = bounds(knob)
        values[knob.name] = (
            rng.uniform(low, high) if knob.kind == "dropout" else rng.randint(int(low), int(high))
        )
    return values


def lookup(name: str) -> Family:
    return lifted(load_task("mnist1d").seeds[name], OFFERS)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_what_is_lifted_goes_back_exactly(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    family = lifted(source, OFFERS)
    assert source_digest(family.filled({})) == source_digest(source)
    assert source_digest(family.filled(family.values)) == source_digest(source)


@pytest.mark.slow
def test_nearly_every_filling_is_of_the_same_family() -> None:
    """Not all: a padding that would be below 0 is 0."""
    rng = random.Random(0)
    families = [lifted(path.read_text(encoding="utf-8"), OFFERS) for path in FILES]
    same = [lifted(each.filled(drawn(each, rng)), OFFERS).digest == each.digest for each in families * 3]
    assert sum(same) / len(same) > 0.95


def test_a_familys_members_differ_in_numbers_alone() -> None:
    base = lookup("conv_base")
    other = lifted(base.filled({"width0": 12, "kernel3": 5, "activation7": "GELU"}), OFFERS)
    assert other.digest == base.digest
    assert other.values == {**base.values, "width0": 12, "kernel3": 5, "activation7": "GELU"}
    assert lookup("mlp").digest != base.digest


def test_what_must_follow_a_knob_follows() -> None:
    source = (
        "import torch.nn as nn\n\n\nclass Model(nn.Module):\n"
        "    def __init__(self, input_shape, num_classes):\n"
        "        super().__init__()\n        self.a = nn.Conv1d(1, 8, 5, padding=2)\n"
        "        self.norm = nn.BatchNorm1d(8)\n        self.b = nn.Conv1d(8, 8, 3, padding=1, groups=8)\n"
        "        self.c = nn.Conv1d(8, 24, 1, groups=4)\n        self.heads = nn.MultiheadAttention(24, 6)\n"
        "        self.out = nn.Linear(240, num_classes)\n"
    )
    family = lifted(source, OFFERS)
    assert family.values == {
        "width0": 8,
        "kernel1": 5,
        "kernel2": 3,
        "width3": 24,
        "divisor4": 4,
        "divisor5": 6,
    }
    filled = family.filled({"width0": 10, "kernel1": 7, "width3": 35, "divisor4": 4, "divisor5": 6})
    for line in (
        "nn.Conv1d(1, 10, 7, padding=3)",
        "nn.BatchNorm1d(10)",
        "nn.Conv1d(10, 10, 3, padding=1, groups=10)",
        "nn.Conv1d(10, 35, 1, groups=5)",
        "nn.MultiheadAttention(35, 5)",
        "nn.Linear(350, num_classes)",
    ):
        assert line in filled


def test_an_activation_is_called_where_it_is() -> None:
    source = (
        "import torch\nfrom torch import nn\n\n\nclass Model(nn.Module):\n    def forward(self, x):\n"
        "        return torch.tanh(x)\n"
    )
    family = lifted(source, OFFERS)
    for layer, function in ACTIVATIONS.items():
        filled = family.filled({"activation0": layer})
        called = re.search(r"return ([\w.]+)\(x\)", filled)
        assert called is not None
        module, _, name = called[1].rpartition(".")
        assert name == function
        assert callable(getattr({"torch": torch, "torch.nn.functional": torch.nn.functional}[module], name))
        assert lifted(filled, OFFERS).digest == family.digest


@settings(deadline=None, max_examples=30)
@given(st.lists(st.sampled_from([4, 8, 16, 17, 32, 64]), min_size=2, max_size=6), st.integers(0, 1000))
def test_tied_widths_stay_tied_and_others_apart(widths: list[int], seed: int) -> None:
    pairs = zip([40, *widths], widths, strict=False)
    lines = [f"        self.l{i} = nn.Linear({a}, {b})" for i, (a, b) in enumerate(pairs)]
    body = "\n".join(lines)
    source = (
        "import torch.nn as nn\n\n\nclass Model(nn.Module):\n    def __init__(self, num_classes):\n"
        f"        super().__init__()\n{body}\n        self.out = nn.Linear({widths[-1]}, num_classes)\n"
    )
    family = lifted(source, OFFERS)
    assert len(family.knobs) == len(set(widths))
    again = lifted(family.filled(drawn(family, random.Random(seed))), OFFERS)
    numbers = [layer.number("out_features") for layer in again.view.layers[:-1]]
    assert [numbers.index(n) for n in numbers] == [widths.index(n) for n in widths]
    taken = [layer.number("in_features") for layer in again.view.layers[1:]]
    assert taken == numbers


class TestFill(evoarch.OperatorContract):
    @pytest.fixture
    def operator(self) -> evoarch.Operator:
        return SpaceFill()


def propose(order: Order, seed: int = 0) -> list[Draft]:
    return asyncio.run(SpaceFill().propose(order, random.Random(seed), None))


def order(count: int, past: Sequence[Parent] = ()) -> Order:
    parent = Parent(1, load_task("mnist1d").seeds["conv_base"], {"error": 0.1, "params": 5210.0})
    return Order(count, [parent], offers=OFFERS, scored=lambda: past)


def test_fillings_are_new_files_of_the_family() -> None:
    base = lookup("conv_base")
    drafts = propose(order(10))
    members = [lifted(draft.source, OFFERS) for draft in drafts]
    assert len({source_digest(draft.source) for draft in drafts}) == 10
    assert sum(member.digest == base.digest for member in members) >= 8
    assert all(draft.change.startswith("filled from 0 of its family: ") for draft in drafts)


def test_the_search_goes_where_the_family_was_good() -> None:
    """Of made-up scores that like wide models it proposes wide ones; of the opposite, narrow ones."""
    base, rng = lookup("conv_base"), random.Random(0)
    sources = [base.filled(drawn(base, rng)) for _ in range(60)]
    means: dict[int, float] = {}
    for sign in (1, -1):
        past = [_scored(number, text, sign) for number, text in enumerate(sources, 2)]
        drafts = propose(order(20, past))
        widths = [int(lifted(draft.source, OFFERS).values["width0"]) for draft in drafts]
        means[sign] = sum(widths) / len(widths)
        assert "of its family" in drafts[0].change
        assert propose(order(20, past)) == drafts
    assert means[1] > 1.5 * means[-1]


def _scored(number: int, source: str, sign: int) -> Parent:
    width = int(lifted(source, OFFERS).values["width0"])
    return Parent(number, source, {"error": (1 / width) ** sign * 10, "params": 1000.0})


def test_files_of_other_families_and_broken_ones_are_no_past() -> None:
    others: Mapping[str, str] = load_task("mnist1d").seeds
    past = [Parent(9, text, {"error": 0.2, "params": 10.0}) for text in (others["mlp"], "class (")]
    assert propose(order(1, past))[0].change.startswith("filled from 0 of its family")
