"""What a person said of candidates: vetoes, pins and notes, as the search obeys them."""

from __future__ import annotations

import random

import pytest

from evoarch.agent.base.ordering import Steering
from evoarch.agent.config.tables import SelectionTable
from evoarch.agent.search.selection import select
from evoarch.archive.records import Candidate, State


def scored(identity: int, error: float, params: float) -> Candidate:
    return Candidate(identity, "random", State.SCORED, metrics={"error": error, "params": params})


@pytest.mark.parametrize("method", ["pareto", "scalar"])
def test_a_vetoed_candidate_is_never_a_parent_and_a_pinned_one_may_be(method: str) -> None:
    view = [scored(i, 0.1 + i / 100, 100.0 + i) for i in range(20)]  # each dominates those after it
    table = SelectionTable(method=method, survivors=2)  # type: ignore[arg-type]
    steering = Steering(vetoed=frozenset({0, 1}), pinned=frozenset({19}))
    drawn = [c.id for seed in range(200) for c in select(view, 1, random.Random(seed), table, steering)]
    assert not {0, 1} & set(drawn)
    plain = [c.id for seed in range(200) for c in select(view, 1, random.Random(seed), table)]
    assert drawn.count(19) > plain.count(19)
    assert select(view[:2], 1, random.Random(0), table, steering) == []


def test_what_a_person_said_is_read_back_from_a_draw() -> None:
    said = Steering(vetoed=frozenset({4, 2}), pinned=frozenset({7}))
    assert said.as_json() == {"vetoed": [2, 4], "pinned": [7]}
    assert Steering.from_json(said.as_json()) == said
    assert Steering().as_json() == {}
    noted = Steering(notes={1: "wide", 3: "deep"})
    assert noted.as_json([3, 5]) == {"notes": {"3": "deep"}}
    assert Steering.from_json(noted.as_json([3])) == Steering(notes={3: "deep"})
    assert Steering.from_json({"slot": 1}) == Steering()
