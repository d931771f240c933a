"""`lm.crossover` and `lm.repair`, and edit replies, through the real seam with scripted replies."""

from __future__ import annotations

import asyncio
import random

import pytest

from evoarch.agent.config.tables import PromptsTable
from evoarch.agent.lm.base import LMReply, LMRequest
from evoarch.agent.lm.fakes import ScriptedLM
from evoarch.agent.operators.base import BrokenParent, Order, Parent
from evoarch.agent.operators.lm.crossover import LMCrossover
from evoarch.agent.operators.lm.repair import LMRepair, readable
from evoarch.agent.operators.lm.rewrite import LMRewrite
from evoarch.sandbox.vet import vet
from kit.proposing import propose

BASE = """\
import torch.nn as nn
import torch.nn.functional as F


class Model(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.conv = nn.Conv1d(1, 8, 3)
        self.head = nn.Linear(8, num_classes)

    def forward(self, x):
        x = F.relu(self.conv(x.unsqueeze(1)))
        return self.head(x.mean(-1))
"""
DONOR = """\
import torch.nn as nn


class Gate(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.mix = nn.Conv1d(width, width, 1)

    def forward(self, x):
        return x * self.mix(x).sigmoid()


class Model(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.gate = Gate(16)
        self.head = nn.Linear(16, num_classes)

    def forward(self, x):
        x = self.gate(x)
        return self.head(x.mean(-1))
"""
OFFERS = {"num_classes": 10}
ONE, TWO = Parent(1, BASE, {"params": 122.0, "error": 0.5}), Parent(2, DONOR, {"params": 442.0, "error": 0.4})
TARGETS = {"params": 100.0, "error": 0.39}


def order(count: int = 1, broken: BrokenParent | None = None) -> Order:
    return Order(count, [ONE, TWO], TARGETS, offers=OFFERS, broken=broken)


def asked(lm: ScriptedLM) -> str:
    (request,) = lm.requests
    return request.messages[-1]["content"] if request.messages else request.prompt


def test_a_base_model_writes_a_block_of_the_other_parent_at_one_place() -> None:
    lm = ScriptedLM(["8)"])
    (draft,) = propose(LMCrossover(), lm, order())
    assert "# class Gate(nn.Module):" in asked(lm)
    assert "# x = self.gate(x)" in asked(lm)
    assert asked(lm).endswith("self.gate = Gate(")
    assert draft.problem == ""
    assert draft.source.count("class Gate") == 1
    assert "        self.gate = Gate(8)\n" in draft.source
    assert "x = self.gate(x)" in draft.source
    assert draft.change.startswith("block gate of 2")
    assert vet(draft.source, offers=OFFERS) == []


def test_a_block_of_several_layers_is_begun_as_one() -> None:
    both = DONOR.replace("Gate(16)", "nn.Conv1d(16, 16, 3)").replace(
        "        x = self.gate(x)", "        x = self.norm(self.gate(x))"
    )
    both = both.replace("        self.head", "        self.norm = nn.BatchNorm1d(16)\n        self.head", 1)
    lm = ScriptedLM(["nn.Conv1d(8, 8, 3), nn.BatchNorm1d(8))"])
    (draft,) = propose(LMCrossover(), lm, Order(1, [ONE, Parent(3, both, TWO.metrics)], TARGETS))
    assert asked(lm).endswith("self.gate_norm = nn.Sequential(")
    assert "self.gate_norm = nn.Sequential(nn.Conv1d(8, 8, 3), nn.BatchNorm1d(8))" in draft.source
    assert "x = self.gate_norm(x)" in draft.source


def test_an_instructed_model_is_named_the_block_and_answers_with_a_file_or_edits() -> None:
    whole = BASE.replace("nn.Conv1d(1, 8, 3)", "nn.Sequential(nn.Conv1d(1, 8, 3), Gate(8))")
    lm = ScriptedLM([f"```python\n{whole}```"], chat=True)
    (by_file,) = propose(LMCrossover(chat=True), lm, order())
    assert "This is its block `gate`:" in asked(lm)
    edit = "<<<<<<< SEARCH\nself.conv = nn.Conv1d(1, 8, 3)\n=======\n"
    edit += "self.conv = nn.Sequential(nn.Conv1d(1, 8, 3), Gate(8))\n>>>>>>> REPLACE"
    lm = ScriptedLM([edit], chat=True)
    (by_edit,) = propose(LMCrossover(chat=True, reply="edits"), lm, order())
    assert "search/replace blocks" in asked(lm)
    for draft in (by_file, by_edit):
        assert draft.problem == ""
        assert "class Gate" in draft.source
        assert vet(draft.source, offers=OFFERS) == []


def test_parents_without_a_block_or_a_place_are_problems_and_cost_no_call() -> None:
    bare = Parent(3, "def Model():\n    return None\n", {})
    lm = ScriptedLM(["x"])
    for parents in ([ONE, bare], [bare, TWO]):
        drafts = propose(LMCrossover(), lm, Order(2, parents, TARGETS))
        assert all("expected a layer" in draft.problem for draft in drafts)
    assert lm.requests == []


WIDE = BASE.replace("nn.Linear(8,", "nn.Linear(9,")
FAILED = "dry_run: RuntimeError: mat1 and mat2 shapes cannot be multiplied (4x8 and 9x10) (line 13, in head)"


def test_a_base_model_writes_the_statement_that_a_failure_points_at() -> None:
    leads = set()
    for seed in range(8):
        lm = ScriptedLM(lambda request, index: " nn.Linear(8, num_classes)")
        (draft,) = propose(LMRepair(), lm, order(broken=BrokenParent(7, WIDE, [FAILED])), seed)
        assert "mended: dry_run: RuntimeError: mat1 and mat2" in asked(lm)
        assert draft.change.startswith("mends 7: ")
        leads.add(asked(lm).split("\n")[-1].strip())
        if asked(lm).endswith("self.head ="):
            assert draft.source == BASE
    assert "self.head =" in leads
    assert "return" in leads


def test_a_finding_in_a_file_with_prose_is_found_in_the_stripped_one() -> None:
    prose = WIDE.replace("super().__init__()", '"""Two layers."""\n        super().__init__()')
    finding = FAILED.replace("line 13", "line 14").replace(", in head", "")
    for seed in range(4):
        lm = ScriptedLM(["x"])
        propose(LMRepair(), lm, order(broken=BrokenParent(7, prose, [finding])), seed)
        assert "# mended: " in asked(lm)
        assert "Two layers" not in asked(lm)


def test_a_base_model_is_not_told_the_name_that_was_wrong() -> None:
    child = BASE.replace("nn.Conv1d(", "nn.ConvX(")
    finding = "build: AttributeError: module 'torch.nn' has no attribute 'ConvX' (line 8)"
    lm = ScriptedLM([" nn.Conv1d(1, 8, 3)"])
    (draft,) = propose(LMRepair(), lm, order(broken=BrokenParent(7, child, [finding])))
    assert "# mended: build: AttributeError: module 'torch.nn' has no such attribute (line 8)" in asked(lm)
    assert "ConvX" not in asked(lm)
    assert draft.source == BASE


def test_without_a_place_a_base_model_writes_the_whole_class_again() -> None:
    lm = ScriptedLM(["\n" + BASE.split("super().__init__()\n")[1]])
    (draft,) = propose(
        LMRepair(), lm, order(broken=BrokenParent(7, WIDE, ["predict: the logits are not finite"]))
    )
    assert "# - predict: the logits are not finite" in asked(lm)
    assert asked(lm).endswith("super().__init__()")
    assert draft.problem == ""


def test_an_instructed_model_sees_the_child_or_the_reply_that_gave_none() -> None:
    edit = "<<<<<<< SEARCH\nself.head = nn.Linear(9, num_classes)\n=======\n"
    edit += "self.head = nn.Linear(8, num_classes)\n>>>>>>> REPLACE"
    lm = ScriptedLM([edit], chat=True)
    (draft,) = propose(LMRepair(chat=True, reply="edits"), lm, order(broken=BrokenParent(7, WIDE, [FAILED])))
    assert "This model fails:" in asked(lm)
    assert draft.source == BASE
    missed = edit.replace("Linear(9", "Linear(90")
    lm = ScriptedLM([f"```\n{BASE}```"], chat=True)
    wanted = order(
        broken=BrokenParent(8, missed, ["the searched lines do not stand in the model; line 9 is nearest"])
    )
    (draft,) = propose(LMRepair(chat=True), lm, wanted)
    assert missed in asked(lm)
    assert "line 9 is nearest" in asked(lm)
    assert draft.problem == ""


def test_nothing_broken_and_no_file_are_problems_and_cost_no_call() -> None:
    lm = ScriptedLM(["x"])
    for broken in (None, BrokenParent(7, "I can't.", ["expected code"])):
        assert propose(LMRepair(), lm, order(2, broken))[1].problem
    assert lm.requests == []
    assert readable("x = 1") == ""


def test_edits_of_a_rewrite_change_the_first_parent_and_a_miss_names_the_nearest_lines() -> None:
    layer = "self.conv = nn.Conv1d(1, 8, 3)"
    fits = f"<<<<<<< SEARCH\n{layer}\n=======\n{layer.replace('3', '5')}\n>>>>>>> REPLACE"
    lm = ScriptedLM([fits, fits.replace("Conv1d(1, 8, 3)", "Conv1d(1, 9, 3)")], chat=True)
    once = PromptsTable(repair_turn=False)
    good, missed = propose(LMRewrite(chat=True, reply="edits", prompts=once), lm, order(2))
    assert good.source == BASE.replace("(1, 8, 3)", "(1, 8, 5)")
    assert "line 8 is nearest: '        self.conv = nn.Conv1d(1, 8, 3)'" in missed.problem
    assert missed.text.startswith("<<<<<<< SEARCH")


@pytest.mark.parametrize(("reason", "kept"), [("length", True), ("stop", False)])
def test_only_what_the_token_limit_cut_loses_its_unfinished_end(reason: str, kept: bool) -> None:
    text = "\n" + BASE.split("super().__init__()\n")[1] + "        y = self.conv("

    async def complete(request: LMRequest) -> LMReply:
        return LMReply((text,), (reason,), 1, 1, 0.0)

    (draft,) = asyncio.run(LMRewrite().propose(order(), random.Random(0), complete))
    assert bool(draft.source) == kept
    assert bool(draft.problem) != kept
