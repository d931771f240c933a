"""Traces as records: what is read back, what is refused, and the fake tracer by the contract of all."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evoarch.evaluators.fakes import StubTracer
from evoarch.evaluators.trace import HINTS, MOST, MOST_NODES, Node, Trace, TraceError, Tracer
from evoarch.evaluators.trace_contract import Ask, TracerContract


class TestStubTracer(TracerContract):
    @pytest.fixture
    def traced(self) -> Ask:
        tracer = StubTracer()
        assert isinstance(tracer, Tracer)
        return lambda sources: asyncio.run(tracer.traces(sources))


SIZES = st.integers(0, MOST - 1)
WORDS = st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), max_size=60)
NODES = st.builds(
    Node, WORDS, WORDS, st.lists(SIZES, max_size=8).map(tuple), SIZES, SIZES, st.just(()),
    st.dictionaries(st.sampled_from(HINTS), st.floats(-1e9, 1e9), max_size=3),
)  # fmt: skip


@st.composite
def whole_traces(draw: st.DrawFn) -> Trace:
    nodes = draw(st.lists(NODES, max_size=6))
    for place, node in enumerate(nodes):
        reads = draw(st.lists(st.integers(-1, place - 1), max_size=4))
        nodes[place] = Node(
            node.name, node.kind, node.shape, node.params, node.flops, tuple(reads), node.hints
        )
    return Trace(
        tuple(nodes), draw(SIZES), draw(st.none() | SIZES), draw(SIZES), draw(st.booleans()),
        draw(st.integers(-1, len(nodes) - 1)),
    )  # fmt: skip


@given(whole_traces())
@settings(max_examples=60, deadline=None)
def test_a_trace_is_read_back_as_it_was(trace: Trace) -> None:
    assert Trace.from_json(json.loads(json.dumps(trace.as_json()))) == trace


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=8)
        | st.dictionaries(
            st.sampled_from(["nodes", "params", "flops", "activations", "cut", "output"]), inner
        )
    ),
    max_leaves=30,
)


@given(JUNK)
@settings(max_examples=200, deadline=None)
def test_whatever_a_child_says_is_a_trace_or_refused_in_one_line(said: Any) -> None:
    try:
        found = Trace.from_json(said)
    except TraceError as error:
        assert "\n" not in str(error)  # noqa: PT017 - either is right
    else:
        assert Trace.from_json(found.as_json()) == found


ROW = ["conv", "Conv1d", [8, 20], 32, 640, [-1]]
WHOLE = {"nodes": [ROW], "params": 32, "flops": 640, "activations": 160, "cut": False, "output": 0}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"nodes": [ROW] * (MOST_NODES + 1)}, "expected at most 300 nodes, got 301"),
        ({"nodes": [[*ROW[:5], [0]]]}, r"node 0: reads: expected a number of -1 to -1, got 0"),
        ({"nodes": [[*ROW[:3], -1, 0, []]]}, "node 0: params: expected a whole number"),
        ({"nodes": [[*ROW[:4], MOST, []]]}, "node 0: flops: expected a whole number"),
        ({"nodes": [[*ROW[:2], [8] * 9, *ROW[3:]]]}, "node 0: shape: expected at most 8, got 9"),
        ({"nodes": [["\x1b[31m", *ROW[1:]]]}, "node 0: name: expected at most 120 printable"),
        ({"nodes": [[*ROW, {"speed": 1}]]}, "node 0: hints: expected of stride"),
        ({"nodes": [[*ROW, {"p": float("nan")}]]}, "node 0: p: expected a finite number, got nan"),
        ({"params": True}, "params: expected a whole number"),
        ({"flops": 1.5}, "flops: expected a whole number"),
        ({"output": 1}, "output: expected a number of -1 to 0, got 1"),
        ({"cut": "no"}, "cut: expected true or false"),
    ],
)
def test_a_trace_of_another_form_is_refused(change: dict[str, object], message: str) -> None:
    assert Trace.from_json(WHOLE)
    with pytest.raises(TraceError, match=message):
        Trace.from_json({**WHOLE, **change})
