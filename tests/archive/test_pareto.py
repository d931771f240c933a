"""Pareto arithmetic against its definitions."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evoarch.archive.pareto import Objective, best, crowding, fitness, front, hypervolume, ranks
from evoarch.archive.records import Candidate, State

GOALS = [Objective("error"), Objective("params", log=True)]
Rows = list[dict[str, float]]

rows_of = st.lists(
    st.fixed_dictionaries(
        {"error": st.integers(0, 6).map(lambda n: n / 6), "params": st.integers(0, 6).map(lambda n: 10.0 * n)}
    ),
    max_size=25,
)


def dominates(one: Mapping[str, float], other: Mapping[str, float]) -> bool:
    names = [goal.name for goal in GOALS]
    return all(one[n] <= other[n] for n in names) and any(one[n] < other[n] for n in names)


@given(rows_of)
def test_ranks_follow_their_definition(rows: Rows) -> None:
    found = ranks(rows, GOALS)
    for place, row in enumerate(rows):
        above = [found[i] for i, other in enumerate(rows) if dominates(other, row)]
        assert found[place] == 1 + max(above, default=-1)


@given(rows_of)
def test_the_front_is_rank_zero_in_order(rows: Rows) -> None:
    assert front(rows, GOALS) == [place for place, rank in enumerate(ranks(rows, GOALS)) if rank == 0]


@given(rows_of)
def test_crowding_lets_ends_and_first_of_equals_stand_out(rows: Rows) -> None:
    distance, rank = crowding(rows, GOALS), ranks(rows, GOALS)
    assert all(value >= 0 for value in distance)
    for level in set(rank):
        members = [place for place in range(len(rows)) if rank[place] == level]
        lowest = min(members, key=lambda place: (rows[place]["error"], place))
        assert distance[lowest] == math.inf
    for place, row in enumerate(rows):
        if row in rows[:place]:
            assert distance[place] == 0


def test_crowding_measures_sizes_in_decades() -> None:
    rows = [{"error": 0.4 - 0.1 * i, "params": 10.0**i} for i in range(5)]
    assert crowding(rows, GOALS) == [math.inf, *[pytest.approx(1.0)] * 3, math.inf]
    flat = [{"error": 0.5, "params": 10.0}, {"error": 0.5, "params": 10.0}]
    assert crowding(flat, GOALS) == [math.inf, 0.0]


def test_hypervolume_by_hand() -> None:
    reference = {"error": 0.9, "params": 1e5}
    rows = [{"error": 0.1, "params": 1e4}, {"error": 0.5, "params": 1e2}]
    assert hypervolume(rows, GOALS, reference) == pytest.approx(0.8 * 1 + 0.4 * 2)
    assert hypervolume([{"error": 0.95, "params": 1e2}], GOALS, reference) == 0.0
    assert hypervolume([], GOALS, reference) == 0.0


@given(rows_of, rows_of)
def test_hypervolume_never_shrinks_with_more_rows(rows: Rows, more: Rows) -> None:
    reference = {"error": 1.0, "params": 1e3}
    assert hypervolume(rows, GOALS, reference) <= hypervolume(rows + more, GOALS, reference) + 1e-9


def test_best_is_the_scored_candidate_of_the_highest_product() -> None:
    def candidate(identity: int, state: State, error: float, params: float) -> Candidate:
        return Candidate(identity, "random", state, metrics={"error": error, "params": params})

    tie = [candidate(3, State.SCORED, 0.1, 100.0), candidate(2, State.SCORED, 0.2, 50.0)]
    assert best(tie) == tie[1]
    assert fitness({"error": 0.1, "params": 100.0}) == pytest.approx(-10.0)
    assert best([Candidate(1, "random", State.FAILED), *tie]) == tie[1]
    assert best([Candidate(1, "random", State.FAILED)]) is None
    negative = [candidate(5, State.SCORED, -0.5, -2.0), Candidate(4, "random", State.FAILED)]
    assert best(negative) == negative[0]


@pytest.mark.parametrize("row", [{}, {"error": 0.1}, {"error": math.nan, "params": 1.0}])
def test_a_row_without_a_value_is_refused(row: dict[str, float]) -> None:
    for measure in (ranks, front, crowding):
        with pytest.raises(ValueError, match="row 1: objective"):
            measure([{"error": 0.1, "params": 1.0}, row], GOALS)
