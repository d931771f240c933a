"""Features and forms of traces that are written by hand."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from evoarch.agent.surrogate.features import SIZES, features, form, sizes
from evoarch.evaluators.trace import Node, Trace


def node(kind: str, *reads: int, params: int = 0, shape: tuple[int, ...] = (8, 20), **hints: float) -> Node:
    return Node(kind.lower(), kind, shape, params, 10 * params, reads, hints)


def trace(*nodes: Node) -> Trace:
    params = sum(each.params for each in nodes)
    return Trace(nodes, params, 10 * params, 100 * len(nodes))


PLAIN = trace(
    node("Conv1d", -1, params=32, kernel_size=3.0),
    node("ReLU", 0),
    node("AdaptiveAvgPool1d", 1, shape=(8, 1)),
    node("flatten", 2, shape=(8,)),
    node("Linear", 3, params=90, shape=(10,)),
)


def test_sizes_come_first_and_are_decimal_logarithms() -> None:
    found = features(PLAIN)
    assert found[:SIZES] == sizes(PLAIN)
    assert [round(size, 3) for size in found[:SIZES]] == [2.090, 3.087, 2.700]


def changed(other: Trace) -> int:
    one, two = features(PLAIN)[SIZES:], features(other)[SIZES:]
    assert len(one) == len(two)
    return sum(a != b for a, b in zip(one, two, strict=True))


def test_what_winners_share_changes_features_beside_the_sizes() -> None:
    nodes = PLAIN.nodes
    pooled = replace(PLAIN, nodes=(*nodes[:2], replace(nodes[2], kind="AdaptiveMaxPool1d"), *nodes[3:]))
    strided = replace(PLAIN, nodes=(replace(nodes[0], hints={"kernel_size": 3.0, "stride": 2.0}), *nodes[1:]))
    residual = replace(PLAIN, nodes=(*nodes[:2], node("add", 0, 1), *nodes[2:]))
    star = replace(PLAIN, nodes=(*nodes[:2], node("mul", 0, 1), *nodes[2:]))
    normed = replace(PLAIN, nodes=(nodes[0], node("BatchNorm1d", 0, params=16), *nodes[1:]))
    first = trace(node("GRU", -1, params=60), *(replace(n, reads=(n.reads[0] + 1,)) for n in nodes))
    for other in (pooled, strided, residual, star, normed, first):
        assert changed(other)
    assert features(residual) != features(star)
    after = trace(
        nodes[0], node("GRU", 0, params=60), *(replace(n, reads=(n.reads[0] + 1,)) for n in nodes[1:])
    )
    assert features(first) != features(after)


def test_names_of_modules_are_no_features() -> None:
    renamed = replace(PLAIN, nodes=tuple(replace(n, name=f"x{i}") for i, n in enumerate(PLAIN.nodes)))
    assert features(renamed) == features(PLAIN)
    assert form(renamed) == form(PLAIN)


def test_a_model_without_nodes_or_counted_flops_has_features() -> None:
    bare = Trace((), 0, None, 0)
    assert len(features(bare)) == len(features(PLAIN))
    assert form(bare).near(form(bare))


@given(st.floats(0.5, 2.0))
def test_near_copies_are_of_one_structure_and_differ_by_no_more_than_5_percent(factor: float) -> None:
    wide = replace(PLAIN.nodes[4], params=1000)
    scaled = replace(wide, params=round(1000 * factor))
    one, other = form(trace(*PLAIN.nodes[:4], wide)), form(trace(*PLAIN.nodes[:4], scaled))
    small, large = sorted((1000, round(1000 * factor)))
    assert one.near(other) == other.near(one) == (large - small <= 0.05 * large)


def test_another_structure_is_no_near_copy() -> None:
    other = replace(PLAIN, nodes=(PLAIN.nodes[0], replace(PLAIN.nodes[1], kind="GELU"), *PLAIN.nodes[2:]))
    assert not form(PLAIN).near(form(other))
