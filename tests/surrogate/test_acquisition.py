"""Expected improvement against the hypervolume itself."""

import moocore
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from evoarch.agent.surrogate.acquisition import improvements
from evoarch.agent.surrogate.strata import nearest, stratum

numbers = st.floats(0, 4)


def by_hand(guesses: np.ndarray, front: np.ndarray, reference: np.ndarray) -> list[float]:
    known = moocore.hypervolume(front, ref=reference) if len(front) else 0.0
    return [
        float(np.mean([moocore.hypervolume(np.vstack([front, g]), ref=reference) - known for g in model]))
        for model in guesses
    ]


@given(
    st.integers(2, 3).flatmap(
        lambda goals: st.tuples(
            st.lists(st.lists(numbers, min_size=goals, max_size=goals), max_size=6),
            st.lists(st.lists(numbers, min_size=goals, max_size=goals), min_size=1, max_size=6),
        )
    )
)
def test_it_is_the_mean_gain_in_hypervolume(drawn: tuple[list[list[float]], list[list[float]]]) -> None:
    front, points = drawn
    goals = len(points[0])
    guesses = np.array(points).reshape(1, len(points), goals)
    measured, reference = np.array(front).reshape(len(front), goals), np.full(goals, 3.0)
    found = improvements(guesses, measured, reference)
    assert np.allclose(found, by_hand(guesses, measured, reference), atol=1e-9)
    assert (found >= 0).all()


def test_a_size_that_is_not_known_is_worth_nothing() -> None:
    guesses = np.array([[[0.1, np.inf]], [[0.1, 1.0]]])
    assert improvements(guesses, np.empty((0, 2)), np.array([0.5, 6.0])).tolist() == [0.0, 0.4 * 5.0]


def test_strata_fill_the_range_evenly_at_every_length() -> None:
    for count in (5, 10, 40):
        filled = [0] * 5
        for number in range(count):
            filled[int(5 * stratum(number, 0.3))] += 1
        assert max(filled) - min(filled) <= 2


def test_the_draft_nearest_to_its_stratum_is_picked() -> None:
    sizes = [2.0, 5.0, 3.4, 4.1]
    for number in range(20):
        wanted = 2.0 + 3.0 * stratum(number, 0.0)
        assert abs(sizes[nearest(sizes, number, 0.0)] - wanted) == min(abs(s - wanted) for s in sizes)
    assert nearest([3.0], 7, 0.5) == 0
