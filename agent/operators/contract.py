"""What every operator must do, as one importable test class.

Subclass it in a test module and give one fixture, `operator`; one that asks a language model overrides
`complete` too:

    class TestWiden(evoarch.OperatorContract):
        @pytest.fixture
        def operator(self):
            return Widen()
"""

from __future__ import annotations

import asyncio
import random

from evoarch.agent.lm.base import Complete
from evoarch.agent.lm.fakes import ScriptedLM
from evoarch.agent.operators.base import Draft, Operator, Order, Parent

_CLASS = """import torch.nn as nn


class Model(nn.Module):
    def __init__(self, input_shape, num_classes):
        super().__init__()
        self.{name} = nn.Linear(input_shape[0], {width})
        self.act = nn.ReLU()
        self.head = nn.Linear({width}, num_classes)

    def forward(self, x):
        return self.head(self.act(self.{name}(x)))
"""
SOURCES = (_CLASS.format(name="first", width=32), _CLASS.format(name="hidden", width=16))
"""The parents of each order here: model files for the task that `OFFERS` tells of."""

OFFERS = {"input_shape": (40,), "num_classes": 10}

ODD = ("", "I can't do that.", "```python\nclass Model(", "\0", "import os\nos.abort()\n")
"""Replies of a language model that are no model file."""


class OperatorContract:
    """All tests are quick: nothing is built or trained."""

    def complete(self) -> Complete | None:
        """What an operator that asks a language model asks here; None for one that asks none."""
        return None

    def order(self, operator: Operator, count: int = 1) -> Order:
        """An order for `count` children of as many parents as the operator wants."""
        metrics = {"params": 1642.0, "error": 0.3}
        parents = [
            Parent(number + 1, SOURCES[number % len(SOURCES)], metrics) for number in range(operator.arity)
        ]
        return Order(count, parents, {"params": 1500.0, "error": 0.28}, offers=OFFERS)

    def propose(self, operator: Operator, order: Order, seed: int = 0) -> list[Draft]:
        """The drafts for an order."""
        return asyncio.run(operator.propose(order, random.Random(seed), self.complete()))

    def test_it_says_what_a_campaign_needs(self, operator: Operator) -> None:
        assert operator.name
        assert isinstance(operator.arity, int)
        assert operator.arity >= 0
        assert operator.samples >= 1

    def test_it_gives_as_many_drafts_as_ordered(self, operator: Operator) -> None:
        for count in (1, 3):
            drafts = self.propose(operator, self.order(operator, count))
            assert isinstance(drafts, list)
            assert [type(draft) for draft in drafts] == [Draft] * count

    def test_a_draft_has_a_source_or_says_why_there_is_none(self, operator: Operator) -> None:
        for seed in range(5):
            for draft in self.propose(operator, self.order(operator, 2), seed):
                assert bool(draft.source) != bool(draft.problem), draft

    def test_the_same_randomness_gives_the_same_drafts(self, operator: Operator) -> None:
        order = self.order(operator, 2)
        assert self.propose(operator, order, 7) == self.propose(operator, order, 7)

    def test_a_child_is_no_copy_of_a_parent(self, operator: Operator) -> None:
        drafts = [each for seed in range(5) for each in self.propose(operator, self.order(operator), seed)]
        assert not {draft.source for draft in drafts} & set(SOURCES)

    def test_a_parent_with_nothing_to_change_is_no_error(self, operator: Operator) -> None:
        parents = [Parent(number + 1, "Model = None\n", {}) for number in range(operator.arity)]
        assert len(self.propose(operator, Order(2, parents, offers=OFFERS))) == 2

    def test_odd_replies_are_no_error(self, operator: Operator) -> None:
        """Of one that asks no language model nothing is asked here."""
        if self.complete() is None:
            return
        order = self.order(operator, len(ODD))
        found = asyncio.run(operator.propose(order, random.Random(0), ScriptedLM(ODD).complete))
        assert len(found) == len(ODD)
