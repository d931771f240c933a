"""The statistics against scipy: a function that stands in for one of its functions gives the same."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import special, stats

from evoarch.agent.statistics.correlation import spearman
from evoarch.agent.statistics.intervals import (
    ALPHA,
    CONFIDENCE,
    Z,
    share_at_most,
    spread_of_shares,
    t_interval,
    t_quantile,
    variance_of_mean,
    welch,
    wilson,
    wilson_high,
)
from evoarch.agent.statistics.tests import effect, interval

values = st.lists(st.integers(-400, 400).map(lambda n: n / 80), min_size=2, max_size=9)
counts = st.integers(1, 4000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


def test_levels_are_one_convention() -> None:
    assert pytest.approx(1 - CONFIDENCE) == ALPHA
    assert pytest.approx(float(stats.norm.ppf((1 + CONFIDENCE) / 2))) == Z


@given(values, values, st.sampled_from([0.9, CONFIDENCE, 0.999]))
def test_welch_is_scipys(some: list[float], others: list[float], confidence: float) -> None:
    assume(np.ptp(some) > 0)  # of a constant group scipy warns
    assume(np.ptp(others) > 0)
    expected = stats.ttest_ind(some, others, equal_var=False).confidence_interval(confidence)
    found = welch(some, others, confidence)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_of_groups_that_do_not_vary_nothing_is_known() -> None:
    everything = welch([0.1] * 7, [0.7] * 3)
    assert (everything.low, everything.high) == (-math.inf, math.inf)
    one_sided = welch([0.1] * 7, [0.6, 0.7, 0.8])
    assert one_sided.low < 0.1 - 0.7 < one_sided.high < 0


@given(values)
def test_a_mean_has_scipys_t_interval(some: list[float]) -> None:
    assume(np.ptp(some) > 0)
    expected = stats.ttest_1samp(some, 0.0).confidence_interval(CONFIDENCE)
    assert interval(some)[1:] == pytest.approx((expected.low, expected.high))
    found = t_interval(float(np.mean(some)), [variance_of_mean(some)])
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


@given(st.lists(st.tuples(st.floats(1e-6, 10), st.integers(1, 50)), min_size=1, max_size=4))
def test_satterthwaites_degrees_lie_between_the_least_and_the_sum(parts: list[tuple[float, int]]) -> None:
    found = t_interval(0.0, parts)
    root = math.sqrt(sum(variance for variance, _ in parts))
    narrow = stats.t.ppf((1 + CONFIDENCE) / 2, sum(freedom for _, freedom in parts)) * root
    wide = stats.t.ppf((1 + CONFIDENCE) / 2, min(freedom for _, freedom in parts)) * root
    assert narrow * (1 - 1e-9) <= found.high <= wide * (1 + 1e-9)
    assert found.low == -found.high


@given(st.floats(0, 7.5).map(lambda power: 10**power), st.floats(-8, -0.05).map(lambda power: 10**power))
def test_the_quantile_of_student_is_scipys(freedom: float, outside: float) -> None:
    assert t_quantile(freedom, outside) == pytest.approx(-special.stdtrit(freedom, outside / 2), rel=1e-8)


@given(counts)
def test_the_largest_share_is_clopper_and_pearsons(seen: tuple[int, int]) -> None:
    found, tried = seen
    expected = (
        stats.binomtest(found, tried, alternative="less").proportion_ci(CONFIDENCE, method="exact").high
    )
    assert share_at_most(found, tried) == pytest.approx(expected)


def test_of_none_tried_the_share_may_be_anything() -> None:
    assert share_at_most(0, 0) == 1.0


@given(counts)
def test_wilson_is_scipys(seen: tuple[int, int]) -> None:
    wrong, tried = seen
    expected = stats.binomtest(wrong, tried).proportion_ci(CONFIDENCE, method="wilson")
    found = wilson(wrong / tried, tried)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-12)
    many = wilson_high(np.array([wrong / tried]), np.array([float(tried)]))
    assert many.tolist() == pytest.approx([expected.high])


@given(values, values)
def test_the_effect_is_the_share_of_pairs_won(some: list[float], others: list[float]) -> None:
    won = [(x > y) + 0.5 * (x == y) for x, y in itertools.product(some, others)]
    assert effect(some, others) == pytest.approx(np.mean(won))


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=5, max_size=40))
def test_spearmans_interval_holds_it_and_lowest_ranks_may_be_infinite(pairs: list[tuple[int, int]]) -> None:
    some, others = [float(one) for one, _ in pairs], [float(other) for _, other in pairs]
    assume(len(set(some)) > 1 and len(set(others)) > 1)
    r, found = spearman(some, others)
    ranks = stats.rankdata(some), stats.rankdata(others)
    assert r == pytest.approx(float(np.corrcoef(*ranks)[0, 1]))
    assert -1 <= found.low <= r <= found.high <= 1
    lowest = [-math.inf if value == min(some) else value for value in some]
    assert spearman(lowest, others)[0] == pytest.approx(r)


@given(counts, counts)
def test_two_shares_are_compared_as_by_the_chi_square_test(
    one: tuple[int, int], other: tuple[int, int]
) -> None:
    """z squared of the pooled test is Pearson's statistic, but for the one success and failure added."""
    (a, n), (b, m) = one, other
    pooled = (a + b + 1) / (n + m + 2)
    plain = (a + b) / (n + m)
    assume(0 < plain < 1)
    table = [[a, n - a], [b, m - b]]
    pearson = float(stats.chi2_contingency(table, correction=False).statistic)
    z = (a / n - b / m) / spread_of_shares(a / n, n, b / m, m)
    assert z**2 * pooled * (1 - pooled) / (plain * (1 - plain)) == pytest.approx(pearson, rel=1e-6, abs=1e-9)
