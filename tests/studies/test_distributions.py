"""Populations of models as distributions: equal sizes, the test, the range of the best."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evoarch.agent.studies.distributions import beyond_size, compared, edf, likely_best, size_weights

SIZES = st.lists(st.integers(1, 10**6), min_size=2, max_size=20)


@given(SIZES, SIZES)
@settings(max_examples=50, deadline=None)
def test_weights_give_each_shared_class_of_size_as_much_in_both(first: list[int], second: list[int]) -> None:
    found = size_weights(first, second)
    classes = [np.floor(3 * np.log10(each)) for each in (first, second)]
    shared = set(classes[0]) & set(classes[1])
    if found is None:
        assert not shared
        return
    for weights, own in zip(found, classes, strict=True):
        assert weights.sum() == pytest.approx(1)
        for each in {*own}:
            expected = 1 / len(shared) if each in shared else 0
            assert weights[own == each].sum() == pytest.approx(expected)


def test_the_distribution_rises_to_one() -> None:
    assert edf([0.3, 0.1, 0.2, 0.2]) == [(0.1, 0.25), (0.2, 0.5), (0.2, 0.75), (0.3, 1.0)]
    assert edf([0.3, 0.1], np.array([0.25, 0.75])) == [(0.1, 0.75), (0.3, 1.0)]


def test_a_difference_that_is_one_of_size_alone_is_none() -> None:
    """The larger population errs less only as larger models do."""
    rng = np.random.default_rng(1)
    sides = [
        np.round(10 ** rng.uniform(low, high, 60)).astype(int).tolist() for low, high in ((2, 4), (3, 5))
    ]
    errors = [[float(p**-0.3 * rng.lognormal(0, 0.2)) for p in side] for side in sides]
    found = compared((errors[0], errors[1]), (sides[0], sides[1]), np.random.default_rng(0))
    assert found is not None
    assert found.p > 0.05
    assert found.low < 0 < found.high
    assert np.mean(errors[0]) > 1.3 * np.mean(errors[1])
    better = [error / 2 for error in errors[0]]
    found = compared((better, errors[1]), (sides[0], sides[1]), np.random.default_rng(0))
    assert found is not None
    assert found.p < 0.01
    assert found.high < 0
    assert compared(([0.1], [0.1]), ([10], [10_000]), np.random.default_rng(0)) is None


def test_the_best_value_of_a_knob_lies_where_errors_are_low() -> None:
    rng = np.random.default_rng(0)
    values = rng.uniform(2, 60, 40)
    params = np.round(100 * values).astype(int).tolist()
    errors = (0.5 * values**-0.5 * np.exp(0.3 * np.log(values / 20) ** 2)).tolist()
    ranks = beyond_size(errors, params).tolist()
    low, high = likely_best(values.tolist(), ranks, rng)
    assert 8 < low < 20 < high < 40
    assert beyond_size([0.1, 0.2], [50, 50]) == pytest.approx([np.log(0.5) / 2, np.log(2) / 2])
