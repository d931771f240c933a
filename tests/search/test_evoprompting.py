"""EvoPrompting's choices against a transcription of the paper: parents, what is trained on, targets."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evoarch.agent.search.evoprompting import enters, select
from evoarch.agent.search.selection import targets
from evoarch.agent.tuning.data import Member, unsmoothed
from kit.papers_algorithms import transcription

scores = st.one_of(
    st.none(), st.tuples(st.integers(1, 6).map(float), st.integers(0, 10).map(lambda n: n / 10))
)


@given(
    st.lists(st.lists(scores, max_size=6), min_size=1, max_size=5),
    st.integers(1, 4),
    st.sampled_from([0.2, 0.5, 1.0]),
)
def test_parents_training_and_history_are_the_papers(
    drawn: list[list[tuple[float, float] | None]], survivors: int, threshold: float
) -> None:
    seeds, identity = [1, 2], 2
    rounds: list[list[tuple[int, float, float] | None]] = []
    for children in drawn:
        rounds.append([])
        for child in children:
            identity += 1
            rounds[-1].append(None if child is None else (identity, *child))
    parents, trained, history = transcription(rounds, seeds, survivors, threshold)
    ours, training, everyone = [seeds], list[list[int]](), list[Member]()
    chosen = set(seeds)
    for children in rounds[:-1]:
        latest = [Member(*c) for c in children if c is not None and enters(c[2], threshold)]
        everyone += latest
        found = select(everyone, {each.id for each in latest}, chosen, ours[-1], survivors)
        ours.append(list(found.parents))
        chosen |= set(found.parents)
        training.append(list(found.training))
    assert ours == parents
    assert training == trained
    assert not set(seeds) & set(history)


@given(st.integers(0, 2000), st.integers(1, 2000))
def test_unsmoothing_gives_the_share_of_wrong_answers(wrong: int, examples: int) -> None:
    wrong = min(wrong, examples)
    assert unsmoothed((wrong + 1) / (examples + 2), examples) == wrong / examples


@pytest.mark.parametrize(
    ("params", "error", "size", "wanted"),
    [(1049.0, 0.2, 900.0, 0.184), (1060.0, 0.2, 1000.0, 0.184), (120.0, 0.01, 100.0, 0.0)],
)
def test_targets_are_rounded_as_in_the_paper_and_stay_reachable(
    params: float, error: float, size: float, wanted: float
) -> None:
    """0.9 x size to the nearest 100, 1.02 x accuracy to the nearest 0.1%, never above 100%."""
    assert targets([{"params": params, "error": error}]) == {"params": size, "error": wanted}


@given(st.lists(st.tuples(st.integers(1, 10**6), st.integers(0, 500)), min_size=1, max_size=3))
def test_targets_lie_nearest_to_what_the_paper_asks_for(parents: list[tuple[int, int]]) -> None:
    found = targets([{"params": float(size), "error": wrong / 500} for size, wrong in parents])
    size = Fraction(9, 10) * min(size for size, _ in parents)
    accuracy = min(Fraction(1), Fraction(102, 100) * max(1 - Fraction(wrong, 500) for _, wrong in parents))
    assert found["params"] % 100 == 0
    assert abs(found["params"] - size) <= 50 or (found["params"] == 100 and size < 50)
    asked = 1 - Fraction(found["error"])
    assert abs(asked - accuracy) <= Fraction(1, 2000) + Fraction(1, 10**9)
    assert abs(asked * 1000 - round(asked * 1000)) < Fraction(1, 10**9)
