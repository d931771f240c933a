"""The architecture of traced models: the graph that is drawn, and what differs between two."""

from __future__ import annotations

import re

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evoarch.agent.report.architecture import changes, draw_trace, kinds_after, trace_of
from evoarch.evaluators.trace import INPUT, Node, Trace

CALL = re.compile(r'data-candidate="(-?\d+)"><rect x="([\d.]+)" y="([\d.]+)" width="(\d+)" height="(\d+)"')
EDGE = re.compile(r'data-edge="(-?\d+) (\d+)" d="([^"]+)"')


def trace(*nodes: Node) -> Trace:
    return Trace(nodes, sum(node.params for node in nodes), 0, 0)


CONV = Node("conv", "Conv1d", (8, 40), 32, 100, (INPUT,), {"kernel_size": 3.0})
ACT = Node("", "relu", (8, 40), 0, 0, (0,))
ADD = Node("", "add", (8, 40), 0, 0, (0, 1))
LAST = Node("last", "Linear", (10,), 3210, 0, (2,))


def test_what_differs_is_told_by_call() -> None:
    wider = Node("conv", "Conv1d", (16, 40), 64, 200, (INPUT,), {"kernel_size": 3.0})
    norm = Node("norm", "BatchNorm1d", (16, 40), 32, 0, (0,))
    found = changes(trace(CONV, ACT, LAST), trace(wider, norm, ACT, LAST))
    assert [each.kind for each in found] == ["changed", "added", "same", "same"]
    assert found[0].words == (
        "Conv1d conv (kernel_size 3) to 8 x 40, 32 parameters became "
        "Conv1d conv (kernel_size 3) to 16 x 40, 64 parameters"
    )
    assert found[1].words == "added BatchNorm1d norm to 16 x 40, 32 parameters"
    assert kinds_after(found) == {0: "changed", 1: "added"}
    back = changes(trace(wider, norm, ACT, LAST), trace(CONV, ACT, LAST))
    assert [each.kind for each in back] == ["changed", "removed", "same", "same"]
    assert changes(trace(), trace(CONV))[0].kind == "added"


@st.composite
def traces(draw: st.DrawFn) -> Trace:
    nodes = []
    for number in range(draw(st.integers(0, 12))):
        reads = draw(st.lists(st.integers(INPUT, number - 1), max_size=3))
        kind = draw(st.sampled_from(["Conv1d", "Linear", "add", "<b>"]))
        nodes.append(Node("n", kind, (draw(st.integers(1, 3)),), draw(st.integers(0, 2)), 0, tuple(reads)))
    return trace(*nodes)


quiet = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


@quiet
@given(traces(), traces())
def test_a_difference_holds_all_calls_of_both_in_order(one: Trace, other: Trace) -> None:
    found = changes(one, other)
    assert tuple(each.left for each in found if each.left) == one.nodes
    assert tuple(each.right for each in found if each.right) == other.nodes
    assert all(each.kind == "same" for each in changes(one, one))


@quiet
@given(traces())
def test_a_graph_has_every_call_and_every_read_and_no_edge_behind_a_box(drawn: Trace) -> None:
    picture = str(draw_trace(drawn))
    assert "<b>" not in picture
    boxes = {}
    for number, *sizes in CALL.findall(picture):
        x, y, wide, tall = map(float, sizes)
        boxes[int(number)] = (x, y, x + wide, y + tall)
    assert boxes.keys() == {INPUT, *range(len(drawn.nodes))}
    edges = {(int(one), int(other)): d for one, other, d in EDGE.findall(picture)}
    assert edges.keys() == {(read, n) for n, node in enumerate(drawn.nodes) for read in node.reads}
    for (one, other), d in edges.items():
        # Straight pieces lie in rows; between rows there is no box.
        for x, top, bottom in re.findall(r"([\d.]+) ([\d.]+)V([\d.]+)", d):
            for number, (left, above, right, below) in boxes.items():
                if number not in (one, other) and above < float(bottom) and float(top) < below:
                    assert not left <= float(x) <= right
        assert boxes[one][3] <= boxes[other][1]


def test_a_trace_of_another_form_is_none() -> None:
    assert trace_of(None) is None
    assert trace_of({"nodes": "all"}) is None
    assert trace_of(trace(CONV, ACT, ADD, LAST).as_json()) == trace(CONV, ACT, ADD, LAST)
