"""Each built-in operator keeps the contract that users test theirs by."""

from __future__ import annotations

import pytest

import evoarch
from evoarch.agent.lm.base import Complete
from evoarch.agent.operators.base import BrokenParent, Operator, Order
from evoarch.agent.operators.contract import SOURCES
from evoarch.agent.operators.registry import built_in
from kit.scale_models import Scale

CHANGED = SOURCES[0].replace("nn.ReLU()", "nn.GELU()")
ASKING = sorted(name for name in built_in() if name.startswith("lm."))
QUICK = sorted(set(built_in()) - set(ASKING))


def test_every_operator_that_the_docs_name_is_found_in_its_room() -> None:
    assert ASKING == ["lm.crossover", "lm.plan", "lm.repair", "lm.rewrite", "lm.scoped"]
    assert QUICK == [
        "grammar.crossover",
        "grammar.draw",
        "grammar.mutate",
        "random",
        "space.fill",
        "syntactic.crossover",
        "syntactic.mutate",
    ]


class TestQuick(evoarch.OperatorContract):
    @pytest.fixture(params=QUICK)
    def operator(self, request: pytest.FixtureRequest) -> Operator:
        made: Operator = built_in()[request.param]()
        return made


class TestFake(evoarch.OperatorContract):
    @pytest.fixture
    def operator(self) -> Operator:
        return Scale()


class TestAsking(evoarch.OperatorContract):
    """With a chat model, which answers with a whole file."""

    @pytest.fixture(params=ASKING)
    def operator(self, request: pytest.FixtureRequest) -> Operator:
        made: Operator = built_in()[request.param](chat=True)
        return made

    def complete(self) -> Complete | None:
        return evoarch.ScriptedLM([f"```python\n{CHANGED}```"], chat=True).complete

    def order(self, operator: Operator, count: int = 1) -> Order:
        order = super().order(operator, count)
        broken = BrokenParent(9, SOURCES[1].replace("act(", "nope("), ["1:0 no attribute 'nope'"])
        return Order(**{**vars(order), "broken": broken})
