"""The grammar: what it draws and evolves are model files that train; it contains the baselines."""

from __future__ import annotations

import asyncio
import random
import re
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from evoarch.agent.operators.base import Operator, Order
from evoarch.agent.operators.grammar import GrammarCrossover, GrammarDraw, GrammarMutate
from evoarch.agent.operators.grammar.baselines import DERIVATIONS, known
from evoarch.agent.operators.grammar.drawing import draw
from evoarch.agent.operators.grammar.reading import NotInGrammarError, read
from evoarch.agent.operators.grammar.terms import Term, seq
from evoarch.agent.operators.grammar.varying import NothingFitsError, cross, mutate
from evoarch.agent.operators.grammar.writing import Shape, Untypable, model_file
from evoarch.evaluators.tasks.mnist1d import Mnist1d
from evoarch.sandbox.vet import vet
from kit.proposing import proposed

SHAPES: list[Shape] = [(40,), (3, 30), (1, 8, 8)]
SEEDS = Mnist1d().seeds
numbers = st.integers(0, 10**6)


def built(source: str) -> Any:
    scope: dict[str, Any] = {}
    exec(source, scope)  # the grammar's own text
    torch.manual_seed(0)
    return scope["Model"]()


def check(term: Term, shape: Shape) -> None:
    """The file passes the vetting, gives logits of the right shape, and says its own derivation."""
    source = model_file(term, shape, 10)
    assert vet(source, offers={"input_shape": shape, "num_classes": 10}) == []
    assert built(source)(torch.randn(3, *shape)).shape == (3, 10)
    assert model_file(read(source), shape, 10) == source


@given(numbers, st.sampled_from(SHAPES))
@settings(max_examples=25, deadline=None)
def test_a_draw_is_a_model_file_that_reads_back(number: int, shape: Shape) -> None:
    check(draw(random.Random(number), shape, 10), shape)


@given(numbers, st.sampled_from(SHAPES))
@settings(max_examples=25, deadline=None)
def test_changes_keep_a_derivation_in_the_grammar(number: int, shape: Shape) -> None:
    rng = random.Random(number)
    parent = draw(rng, shape, 10)
    child, _ = mutate(rng, parent, shape, 10)
    assert child != parent
    check(child, shape)
    try:
        crossed, _ = cross(rng, parent, draw(rng, shape, 10), shape, 10)
    except NothingFitsError:
        return
    assert crossed != parent
    check(crossed, shape)


@pytest.mark.parametrize("name", sorted(SEEDS))
def test_the_grammar_contains_the_baselines(name: str) -> None:
    """The derivation's file computes what the human's file computes, with the same parameters."""
    ours = built(model_file(DERIVATIONS[name], (40,), 10)).eval()
    theirs = built(SEEDS[name]).eval()
    pairs = list(zip(ours.state_dict().values(), theirs.state_dict().values(), strict=True))
    assert all(mine.shape == other.shape for mine, other in pairs)
    ours.load_state_dict(dict(zip(ours.state_dict(), theirs.state_dict().values(), strict=True)))
    inputs = torch.randn(5, 40)
    torch.testing.assert_close(ours(inputs), theirs(inputs))
    assert known(SEEDS[name]) == DERIVATIONS[name]


@pytest.mark.parametrize("operator", [GrammarDraw(), GrammarMutate(), GrammarCrossover()])
def test_operators_are_functions_of_order_and_randomness(operator: Operator) -> None:
    sources = [SEEDS["conv_base"], SEEDS["residual_cnn"]][: operator.arity]
    first, again = (proposed(operator, sources, count=5) for _ in range(2))
    assert first == again
    assert len({draft.source for draft in first}) > 2
    assert not any(draft.problem for draft in first)


def test_a_parent_outside_the_grammar_is_no_crash() -> None:
    foreign = SEEDS["mlp"].replace("F.relu", "F.gelu")
    (draft,) = proposed(GrammarMutate(), [foreign])
    assert draft.source
    assert "drawn" in draft.change
    (draft,) = proposed(GrammarCrossover(), [foreign, SEEDS["mlp"]])
    assert draft.problem == "nothing to change: a parent is not in the grammar"


def test_the_task_must_offer_sizes() -> None:
    order = Order(1, [], offers={"length": 3})
    (draft,) = asyncio.run(GrammarDraw().propose(order, random.Random(0), None))
    assert "expected offers input_shape" in draft.problem


@pytest.mark.parametrize(
    ("term", "said"),
    [
        (seq(Term("linear", (10,)), Term("flatten")), "flatten"),
        (seq(Term("unflatten", (3,)), Term("flatten"), Term("linear", (10,))), "unflatten"),
        (seq(Term("linear", (9,))), "ends in"),
        (seq(Term("linear", (9000,)), Term("linear", (10,))), "at most 8192"),
    ],
)
def test_what_does_not_fit_says_so(term: Term, said: str) -> None:
    with pytest.raises(Untypable, match=said):
        model_file(term, (40,), 10)


@given(st.sampled_from([" ", "self.net(", "nn.Linear(", "40", "1,"]), st.sampled_from(["", "x", "(", "-1"]))
@settings(max_examples=25, deadline=None)
def test_any_other_text_is_read_or_refused_never_a_crash(old: str, new: str) -> None:
    source = model_file(DERIVATIONS["conv_base"], (40,), 10).replace(old, new)
    try:
        term = read(source)
    except NotInGrammarError:
        return
    assert read(model_file(term, (40,), 10)) == term


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("nn.Flatten()", "nn.Fold()", "the grammar has no nn.Fold"),
        ("class Model", "class Other", "there is no class Model"),
        ("return self.net(x)", "return self.net(x) * 2", "forward does more"),
        ("nn.Linear(125, 10)", "nn.Linear(125, 10, bias=False)", "nn.Linear"),
        ("class", "clas", "does not parse"),
    ],
)
def test_what_is_not_in_the_grammar_is_named(old: str, new: str, said: str) -> None:
    with pytest.raises(NotInGrammarError, match=re.escape(said)):
        read(model_file(DERIVATIONS["conv_base"], (40,), 10).replace(old, new))
