"""The shape repair on torch's own errors: each source fails as described and works after some repairs."""

import inspect
import random
import warnings
from collections.abc import Mapping
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from evoarch.agent.operators.random_draw import draw
from evoarch.agent.operators.shape_repair.rules import RULES, repair
from evoarch.agent.operators.syntactic.crossover import cross
from evoarch.agent.operators.syntactic.dataflow import FlowContext
from evoarch.agent.operators.syntactic.mutate import mutate
from evoarch.evaluators.inside.build import check_logits
from evoarch.evaluators.tasks.mnist1d import Mnist1d
from evoarch.sandbox.child_report import describe
from evoarch.sandbox.outcome import Raised
from kit.broken_models import BROKEN, model

OFFERS: Mapping[str, object] = {"input_shape": (40,), "num_classes": 10}
BOUND = 6


def attempt(source: str) -> Raised | nn.Module:
    """Builds a model and runs it forward and backward on 4 examples, as the dry run does."""
    stage = "build"
    genome: dict[str, Any] = {"__name__": "genome"}
    with warnings.catch_warnings(), torch.random.fork_rng():
        warnings.simplefilter("ignore")
        torch.manual_seed(0)
        try:
            exec(compile(source, "<genome>", "exec"), genome)
            entry = genome["Model"]
            model = entry(**{k: v for k, v in OFFERS.items() if k in inspect.signature(entry).parameters})
            stage = "dry_run"
            check_logits(model(torch.randn(4, 40)), 4, (10,)).sum().backward()
        except Exception as error:  # noqa: BLE001 - whatever a genome raises is what is tested
            report: Any = describe(error)["raised"]
            shapes = tuple(tuple(shape) for shape in report["shapes"])
            return Raised(stage, report["kind"], report["message"], report["line"], report["module"], shapes)
    assert isinstance(model, nn.Module)
    return model


def mended(source: str) -> tuple[str, list[str], Raised | nn.Module]:
    """Dry run and repair in turn: the last source, what was done, and how it ended."""
    done: list[str] = []
    while True:
        outcome = attempt(source)
        if isinstance(outcome, nn.Module) or len(done) == BOUND:
            return source, done, outcome
        fixed = repair(source, outcome, offers=OFFERS)
        if fixed is None:
            return source, done, outcome
        source, done = fixed.source, [*done, fixed.description]


@pytest.mark.parametrize("name", sorted(BROKEN))
def test_a_failure_is_mended_where_it_arose(name: str) -> None:
    source, expected = BROKEN[name]
    assert isinstance(attempt(source), Raised)
    child, done, outcome = mended(source)
    assert isinstance(outcome, nn.Module), (done, outcome, child)
    assert done
    assert expected in child, child


def test_where_nothing_shows_the_axes_both_ways_are_offered() -> None:
    source, _ = BROKEN["input size of a GRU"]
    failure = attempt(source)
    assert isinstance(failure, Raised)
    plain = repair(source, failure, offers=OFFERS)
    assert plain is not None
    assert plain.other is not None
    assert "nn.GRU(1, 6, batch_first=True)" in plain.source
    assert "Recurrent(nn.GRU(40, 6, batch_first=True))" in plain.other.source
    ways = [mended(way.source) for way in (plain, plain.other)]
    assert all(isinstance(outcome, nn.Module) for *_, outcome in ways)


@given(
    st.sampled_from([source for source, _ in BROKEN.values()]),
    st.sampled_from(RULES).flatmap(lambda rule: st.from_regex(rule[0])),
    st.integers(-1, 30),
    st.sampled_from(["", "fc", "net", "net.1", "net.7", "a", "no.such.0", "fc.weight", "."]),
    st.lists(st.lists(st.integers(0, 50), max_size=5).map(tuple), max_size=2).map(tuple),
)
@settings(max_examples=60, deadline=None)
def test_no_message_makes_the_repair_raise(
    source: str, message: str, line: int, module: str, shapes: tuple[tuple[int, ...], ...]
) -> None:
    fixed = repair(source, Raised("dry_run", "RuntimeError", message, line, module, shapes), offers=OFFERS)
    assert fixed is None or compile(fixed.source, "<genome>", "exec")


def test_what_does_not_parse_is_not_repaired() -> None:
    assert repair("def (", Raised("build", "SyntaxError", "invalid syntax", 1)) is None


def test_what_is_no_matter_of_shapes_is_not_repaired() -> None:
    source = model("fc = nn.Linear(40, 10)", "raise ValueError('enough')")
    outcome = attempt(source)
    assert isinstance(outcome, Raised)
    assert repair(source, outcome) is None


def test_most_children_work_after_repair() -> None:
    parents = list(Mnist1d().seeds.values())
    context = FlowContext(OFFERS)
    children: list[str] = []
    for number in range(16):
        rng, parent = random.Random(number), parents[number % 4]
        children.append(mutate(parent, rng, context).source)
        children.append(cross(parent, parents[number // 4 % 4], rng, context).source or parent)
        children.append(draw(rng, (40,), 10))
    assert all(children)
    works = [isinstance(mended(child)[2], nn.Module) for child in children]
    assert sum(works) >= 0.9 * len(works)
