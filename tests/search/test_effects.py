"""Which kinds of change are named as helping or hurting: real ones with their size, chance hardly ever."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ttest_ind

from evoarch.agent.search.effects import LEAST, Gain, changes, effects
from evoarch.agent.statistics.intervals import Interval, welch
from kit.two_widths import MODEL


def test_changes_are_layers_more_or_fewer_and_the_widths_of_the_same_ones() -> None:
    small, large = MODEL.format(width=7), MODEL.format(width=9)
    assert changes(small, large) == {"larger numbers in the same layers"}
    assert changes(large, small) == {"smaller numbers in the same layers"}
    normed = small.replace("x = self.a(x)", "x = nn.functional.relu(self.a(x))").replace(
        "        self.b", "        self.norm = nn.BatchNorm1d(7)\n        self.b"
    )
    assert changes(small, normed) == {"adds BatchNorm1d"}
    assert changes(normed, small) == {"removes BatchNorm1d"}
    assert changes(small, small) == changes("(", small) == frozenset()


def gains(effect: float, count: int, seed: int = 0) -> list[Gain]:
    rng = random.Random(seed)
    made = []
    for number in range(count):
        with_it = number % 3 == 0
        names = {"adds A"} if with_it else {"adds B"} if number % 3 == 1 else set[str]()
        made.append(Gain(frozenset(names), rng.gauss(effect if with_it else 0.0, 0.1), rng.gauss(0, 0.1)))
    return made


def test_an_effect_is_named_with_its_size_and_bounds() -> None:
    found = effects(gains(0.2, 120), 5)
    strongest = found[0]
    assert (strongest.change, strongest.measure, strongest.count) == ("adds A", "error", 40)
    assert strongest.low < 2.718281828**-0.2 < strongest.high < 1
    assert effects(gains(0.2, 120), 0) == []
    assert all(effect.low <= effect.factor <= effect.high for effect in found)


def test_nothing_is_named_of_too_few_children_or_of_none_that_differ() -> None:
    assert effects(gains(9.0, 3 * LEAST - 3), 5) == []
    same = [Gain(frozenset({"adds A"} if n % 2 else set()), 0.0, 0.0) for n in range(40)]
    assert effects(same, 5) == []


def test_where_nothing_has_an_effect_hardly_anything_is_named() -> None:
    """At a level of 5% over all that is looked at: 200 campaigns of noise give about 10 with a name."""
    named = sum(bool(effects(gains(0.0, 90, seed), 9)) for seed in range(200))
    assert named <= 22  # the binomial's 99.99% point


def test_welchs_interval_is_scipys() -> None:
    some, others = [1.0, 2.0, 3.0, 4.0], [2.0, 4.0, 6.0, 8.0, 10.0]
    expected = ttest_ind(some, others, equal_var=False).confidence_interval(0.95)
    found = welch(some, others, 0.95)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    assert welch([1.0, 1.0], [1.0, 1.0], 0.95) == Interval(-float("inf"), float("inf"))


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.sets(st.sampled_from("abcdef")), st.floats(-5, 5), st.floats(-5, 5)), max_size=60)
)
def test_effects_of_any_gains_are_finite_and_leave_out_1(rows: list[tuple[set[str], float, float]]) -> None:
    for effect in effects([Gain(frozenset(names), error, size) for names, error, size in rows], 20):
        assert 0 < effect.low <= effect.factor <= effect.high < float("inf")
        assert effect.high < 1 or effect.low > 1
