"""Scores of hand-made predictions are exact for every output type."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from evoarch.evaluators.tasks.clrs.inside.feature import Feature
from evoarch.evaluators.tasks.clrs.scoring import fused, permutation, score

NODES = 5
PLACES = {"node": (NODES,), "edge": (NODES, NODES), "graph": ()}
OUTPUTS = [
    (place, kind)
    for place in PLACES
    for kind in ("mask", "mask_one", "categorical", "pointer", "scalar")
    if not (place != "node" and kind == "mask_one")
]
"""Location and kind of every gradable output but the permutation, which has its own tests."""


def feature(place: str, kind: str) -> Feature:
    return Feature("out", "output", place, kind, 4 if kind == "categorical" else 1)


def truth_of(place: str, kind: str, draw: np.random.Generator) -> NDArray[np.generic]:
    shape = (6, *PLACES[place])
    if kind == "scalar":
        return draw.random(shape).astype(np.float32)
    if kind == "mask":
        return draw.integers(0, 2, shape).astype(np.int8)
    if kind == "pointer":
        return draw.integers(0, NODES, shape).astype(np.int8)
    width = NODES if kind == "mask_one" else 4
    rows = shape[:-1] if kind == "mask_one" else shape
    return np.eye(width, dtype=np.int8)[draw.integers(0, width, rows)]


def perfect(kind: str, truth: NDArray[np.generic]) -> NDArray[np.float32]:
    if kind == "pointer":
        return np.eye(NODES, dtype=np.float32)[truth.astype(int)] * 3
    if kind == "scalar":
        return truth.astype(np.float32)
    return truth.astype(np.float32) * 4 - 2


def constant(kind: str, truth: NDArray[np.generic]) -> NDArray[np.float32]:
    """Class, node or bit 0 (a mask that is true everywhere) for every element."""
    if kind == "mask":
        return np.ones(truth.shape, np.float32)
    if kind == "scalar":
        return np.zeros(truth.shape, np.float32)
    width = (NODES,) if kind == "pointer" else ()
    logits = np.zeros((*truth.shape, *width), np.float32)
    logits[..., 0] = 1
    return logits


def expected_of_constant(kind: str, truth: NDArray[np.generic]) -> float:
    if kind == "mask":
        share = float((truth == 1).mean())
        return 2 * share / (1 + share)
    if kind == "scalar":
        return float((truth.astype(np.float64) ** 2).mean())
    right = truth == 0 if kind == "pointer" else truth[..., 0] == 1
    return float(right.mean())


@pytest.mark.parametrize(("place", "kind"), OUTPUTS)
@pytest.mark.parametrize("seed", range(5))
def test_perfect_and_constant_predictions_score_exactly(place: str, kind: str, seed: int) -> None:
    truth = truth_of(place, kind, np.random.default_rng(seed))
    one = [feature(place, kind)]
    best = score(one, {"out": perfect(kind, truth)}, {"out": truth})
    assert best.value == (0.0 if kind == "scalar" else 1.0)
    assert best.correct.all()
    same = score(one, {"out": constant(kind, truth)}, {"out": truth})
    assert same.value == pytest.approx(expected_of_constant(kind, truth), abs=1e-12)


def test_the_error_is_smoothed() -> None:
    truth = np.zeros((10, NODES), np.int8)
    one = [feature("node", "pointer")]
    assert score(one, {"out": perfect("pointer", truth)}, {"out": truth}).error == pytest.approx(1 / 52)
    wrong = score(one, {"out": perfect("pointer", truth + 1)}, {"out": truth})
    assert wrong.error == pytest.approx(51 / 52)


@pytest.mark.parametrize("kind", ["mask", "categorical"])
def test_masked_elements_are_not_graded(kind: str) -> None:
    truth = truth_of("edge", kind, np.random.default_rng(1))
    logits = perfect(kind, truth)
    logits[:3] *= -1
    truth[:3] = -1 if kind == "mask" else 0
    if kind == "categorical":
        truth[:3, ..., 3] = -1
    found = score([feature("edge", kind)], {"out": logits}, {"out": truth})
    assert found.value == 1.0
    assert found.correct.size == 3 * NODES * NODES


def test_an_empty_mask_counts_as_in_the_benchmark() -> None:
    truth, one = np.zeros((2, NODES), np.int8), [feature("node", "mask")]
    assert score(one, {"out": np.full((2, NODES), -1.0)}, {"out": truth}).value == 1.0
    assert score(one, {"out": np.full((2, NODES), 1.0)}, {"out": truth}).value == 0.0
    assert score(one, {"out": np.full((2, NODES), -1.0)}, {"out": truth + 1}).value == 0.0


ORDER = [
    Feature("pred", "output", "node", "permutation_pointer"),
    Feature("pred_mask", "output", "node", "mask_one"),
]


@settings(max_examples=30, deadline=None)
@given(st.permutations(range(NODES)), st.integers(0, 2**32 - 1))
def test_an_order_scores_exactly_through_sinkhorn(order: list[int], seed: int) -> None:
    cyclic, first = np.zeros((1, NODES), np.int8), np.zeros((1, NODES), np.int8)
    for before, node in zip(order[-1:] + order[:-1], order, strict=True):
        cyclic[0, node] = before
    first[0, order[0]] = 1
    noise = np.random.default_rng(seed).normal(0, 0.1, (1, NODES, NODES))
    logits = {"pred": np.eye(NODES)[cyclic.astype(int)] * 2 + noise, "pred_mask": first * 2.0}
    truth = {"pred": cyclic, "pred_mask": first}
    found = score(ORDER, logits, truth)
    assert found.value == 1.0
    assert set(found.by_output) == {"pred"}
    # With another first node, two predecessors are wrong: of the true first and of the false one.
    logits["pred_mask"] = np.roll(first, 1, axis=1) * 2.0
    assert score(ORDER, logits, truth).value == pytest.approx((NODES - 2) / NODES)


def test_sinkhorn_gives_a_permutation_where_argmax_does_not() -> None:
    logits = np.array([[0.0, 3.0, 2.0], [2.0, 0.0, 0.0], [0.0, 3.1, 0.0]])
    assert logits.argmax(-1).tolist() == [1, 0, 1]
    assert sorted(permutation(logits).tolist()) == [0, 1, 2]


def test_the_first_node_of_an_order_is_its_own_predecessor() -> None:
    assert fused(np.array([[2, 0, 1]]), np.array([1])).tolist() == [[2, 1, 1]]


def test_outputs_count_alike() -> None:
    topological = [
        Feature("topo", "output", "node", "pointer"),
        Feature("head", "output", "node", "mask_one"),
    ]
    pointers, head = np.zeros((2, NODES), np.int8), np.eye(NODES, dtype=np.int8)[[0, 1]]
    logits = {"topo": perfect("pointer", pointers + 1), "head": perfect("mask_one", head)}
    assert score(topological, logits, {"topo": pointers, "head": head}).value == 0.5


@pytest.mark.parametrize(
    ("logits", "message"),
    [
        ({}, "expected logits, got none"),
        ({"out": np.zeros((6, NODES))}, r"expected shape \(6, 5\) \+ \(nodes,\), got \(6, 5\)"),
        ({"out": np.full((6, NODES, NODES), np.nan)}, "expected finite logits"),
    ],
)
def test_what_can_not_be_graded_is_said(logits: dict[str, NDArray[np.float64]], message: str) -> None:
    truth = truth_of("node", "pointer", np.random.default_rng(0))
    with pytest.raises(ValueError, match=message):
        score([feature("node", "pointer")], logits, {"out": truth})
