"""Edits: what a step of descent did, and a descendant without one of them."""

from __future__ import annotations

import asyncio
import random

import pytest

from evoarch.agent.operators.base import Order, Parent
from evoarch.agent.operators.syntactic.mutate import SyntacticMutate
from evoarch.agent.report.diff import statements
from evoarch.agent.studies.edits import Edit, SupersededError, brings_back, edits_of, without
from evoarch.evaluators.tasks import load_task
from kit.bred import DEEPER, NORMED, SEED, WIDER

OFFERS = {"input_shape": (1, 40), "num_classes": 10}


def the(parent: str, child: str) -> Edit:
    (edit,) = edits_of(7, parent, child)
    return edit


def test_numbers_are_one_edit_and_a_statement_with_what_uses_it_is_one() -> None:
    assert str(the(SEED, WIDER)) == "hidden: 20 -> 12; head: 20 -> 12"
    told = str(the(NORMED, DEEPER))
    assert told == "added self.more = nn.Linear(12, 12); added x = self.more(x).tanh()"
    both = edits_of(7, SEED, DEEPER)
    assert [str(edit).split(";")[0] for edit in both] == [
        "hidden: 20 -> 12",
        "added self.norm = nn.BatchNorm1d(12)",
        "added self.more = nn.Linear(12, 12)",
    ]


def test_an_edit_is_taken_out_of_what_was_built_on_it() -> None:
    normless = without(DEEPER, NORMED, the(WIDER, NORMED))
    assert statements(normless) == statements(
        DEEPER.replace(_NORM, "").replace("self.norm(self.hidden(x))", _BARE)
    )
    narrow = without(DEEPER, WIDER, the(SEED, WIDER))
    assert "nn.Linear(64, 20)" in narrow
    assert "nn.Linear(12, 12)" in narrow, "a later step's own number stays"


_NORM, _BARE = "        self.norm = nn.BatchNorm1d(12)\n", "self.hidden(x)"


def test_what_a_later_step_built_inside_goes_with_it_and_what_is_then_used_nowhere() -> None:
    later = DEEPER.replace(
        "self.more = nn.Linear(12, 12)", "self.more = nn.Sequential(nn.Linear(12, 12), nn.GELU())"
    )
    later = later.replace("self.more(x)", "self.last(self.more(x))")
    later = later.replace(
        "        self.head = nn", "        self.last = nn.Identity()\n        self.head = nn"
    )
    left = without(later, DEEPER, the(NORMED, DEEPER))
    assert statements(left) == statements(NORMED)


def test_what_was_set_again_later_is_no_edit_any_more() -> None:
    again = WIDER.replace("12", "30")
    with pytest.raises(SupersededError):
        without(again, WIDER, the(SEED, WIDER))


def test_an_edit_that_undid_another_brings_back_what_the_seed_had() -> None:
    tanh = SEED.replace("relu", "tanh")
    undone = without(SEED, SEED, the(tanh, SEED))
    assert statements(undone) == statements(tanh)
    assert brings_back(SEED, SEED, undone)
    assert not brings_back(SEED, DEEPER, without(DEEPER, NORMED, the(WIDER, NORMED)))


@pytest.mark.parametrize("name", ["conv_base", "gru", "residual_cnn"])
def test_all_edits_of_a_step_undone_are_its_parent(name: str) -> None:
    """Of steps that mutation by rule makes, each from the one before."""
    rng, parent = random.Random(name), load_task("mnist1d").seeds[name]
    for number in range(12):
        order = Order(1, [Parent(number, parent, {"error": 0.1})], offers=OFFERS)
        (draft,) = asyncio.run(SyntacticMutate().propose(order, rng, None))
        if not draft.source or statements(draft.source) == statements(parent):
            continue
        parts = edits_of(number, parent, draft.source)
        whole = Edit(number, parts[0].rows, [hunk for each in parts for hunk in each.hunks])
        assert statements(without(draft.source, draft.source, whole)) == statements(parent)
        parent = draft.source
