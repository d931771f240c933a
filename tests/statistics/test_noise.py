"""Intervals hold what they promise, and a win inside the noise is never called one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from evoarch.agent.statistics.front import front_of
from evoarch.agent.statistics.intervals import wilson
from evoarch.agent.statistics.noise import Noise, pooled
from evoarch.agent.statistics.paired import Paired, paired
from evoarch.archive.pareto import Objective, front
from evoarch.archive.records import Evaluation, Scored

GOALS = (Objective("error"), Objective("params", log=True))
EXAMPLES = 400
HARDNESS = 0.15
"""The shape of the Beta distribution of examples' chances to be wrong: most are easy, few are hard."""


def difficulties(rng: np.random.Generator, error: float) -> NDArray[np.float64]:
    """Examples' chances to be wrong, for a model of this true error over all examples there could be."""
    return np.asarray(rng.beta(HARDNESS, HARDNESS * (1 / error - 1), EXAMPLES))


def trainings(
    rng: np.random.Generator, hard: NDArray[np.float64], scatter: float, seeds: int
) -> list[Evaluation]:
    """A candidate's evaluations: a seed makes all examples harder or easier by a factor around 1."""
    found = []
    for seed in range(seeds):
        right = rng.random(len(hard)) >= np.clip(hard * rng.normal(1, scatter), 0, 1)
        error = (int((~right).sum()) + 1) / (len(right) + 2)
        outcome = Scored({"error": error, "params": 1.0})
        found.append(Evaluation(1, "full", seed, outcome, 1.0, 1.0, "search", np.packbits(right).tobytes()))
    return found


def errors(evaluations: Sequence[Evaluation]) -> list[float]:
    return [e.outcome.metrics["error"] for e in evaluations if isinstance(e.outcome, Scored)]


def compared(
    one: Sequence[Evaluation], other: Sequence[Evaluation], noise: Noise, *, among: int = 1
) -> Paired:
    found = paired(one, other, dispersion=noise.dispersion, freedom=noise.freedom, among=among)
    assert found is not None
    return found


@pytest.mark.parametrize(("seeds", "scatter"), [(3, 0.0), (3, 0.2), (1, 0.2)])
def test_two_candidates_of_equal_truth_are_called_a_win_no_more_often_than_promised(
    seeds: int, scatter: float
) -> None:
    """500 pairs, in campaigns where eight others have three training seeds. A model's hard examples are its
    own in part: the truth is equal over all examples, not over these.
    """
    rng = np.random.default_rng(3)
    called = 0
    for _ in range(500):
        shared = difficulties(rng, 0.1)
        one, other = (
            trainings(
                rng, np.where(rng.random(EXAMPLES) < 0.5, difficulties(rng, 0.1), shared), scatter, seeds
            )
            for _ in range(2)
        )
        others = {n: errors(trainings(rng, shared, scatter, 3)) for n in range(8)}
        called += compared(one, other, pooled(others, EXAMPLES)).significant
    assert called <= 500 * 0.05 + 2 * (500 * 0.05 * 0.95) ** 0.5


def test_the_best_of_many_equals_is_no_win_either_and_a_real_one_is_found() -> None:
    """300 campaigns of 60 candidates, the best by its first seed repeated; then one of a quarter of the
    baseline's error.
    """
    rng = np.random.default_rng(4)
    called = found = plain = 0
    for _ in range(300):
        hard = difficulties(rng, 0.1)
        many = [trainings(rng, hard, 0.15, 1) for _ in range(60)]
        best = min(many, key=lambda each: errors(each)[0])
        best = [*best, *trainings(rng, hard, 0.15, 2)]
        seed, good = trainings(rng, hard, 0.15, 3), trainings(rng, hard / 4, 0.15, 3)
        noise = pooled({n: errors(trainings(rng, hard, 0.15, 3)) for n in range(6)}, EXAMPLES)
        called += compared(best, seed, noise, among=60).high < 0
        plain += compared(best, seed, noise).high < 0
        found += compared(good, seed, noise, among=60).high < 0
    assert called <= 300 * 0.05
    assert called <= plain
    assert found >= 150


@pytest.mark.parametrize(("error", "scatter"), [(0.02, 0.2), (0.1, 0.2), (0.4, 0.05), (0.1, 0.0)])
@pytest.mark.parametrize("seeds", [1, 3])
def test_an_interval_holds_the_true_error_at_least_as_often_as_it_says(
    error: float, scatter: float, seeds: int
) -> None:
    rng = np.random.default_rng(5)
    held = 0
    for _ in range(400):
        hard = np.clip(rng.beta(1.0, 1 / error - 1, EXAMPLES), 0, 1)
        others = {n: errors(trainings(rng, hard, scatter, 3)) for n in range(8)}
        own = errors(trainings(rng, hard, scatter, seeds))
        interval = pooled(others, EXAMPLES).interval(float(np.mean(own)), seeds)
        assert interval is not None
        held += interval.low <= error <= interval.high
    assert held >= 400 * 0.95 - 2 * (400 * 0.95 * 0.05) ** 0.5


@given(
    st.lists(st.tuples(st.floats(0, 1), st.integers(1, 20)), min_size=1, max_size=20),
    st.integers(1, 5000),
    st.floats(0, 0.1),
)
def test_many_bounds_are_the_ends_of_the_intervals(
    rows: list[tuple[float, int]], examples: int, dispersion: float
) -> None:
    noise = Noise(examples, dispersion)
    bounds = noise.bound([error for error, _ in rows], [seeds for _, seeds in rows])
    for (error, seeds), bound in zip(rows, bounds, strict=True):
        interval = noise.interval(error, seeds)
        assert interval is not None
        assert bound == pytest.approx(interval.high)
        assert error <= bound + 1e-9
        fewer = noise.interval(error, seeds + 1)
        assert fewer is not None
        assert fewer.high <= interval.high + 1e-12


def test_without_seeds_noise_an_interval_is_wilsons() -> None:
    assert Noise(500, 0.0).interval(0.1, 1) == wilson(0.1, 500)
    assert Noise(0).interval(0.1, 1) is None
    assert Noise(500).interval(3.0, 1) is None
    assert Noise(500).bound([3.0], [1]).tolist() == [3.0]


def test_the_dispersion_follows_what_the_campaign_measures() -> None:
    quiet = pooled({n: [0.1, 0.1, 0.1] for n in range(50)}, 500)
    loud = pooled({n: [0.05, 0.1, 0.15] for n in range(50)}, 500)
    assert quiet.dispersion < Noise(500).dispersion < loud.dispersion
    assert loud.dispersion == pytest.approx(0.0025 / 0.09, rel=0.05)
    assert pooled({1: [0.0, 0.0]}, 500).freedom == 2


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(1, 9)), min_size=1, max_size=30), st.integers(1, 4))
def test_with_equal_seeds_the_front_is_that_of_the_errors(points: list[tuple[int, int]], seeds: int) -> None:
    rows = [{"error": error / 100, "params": float(params)} for error, params in points]
    found = front_of(rows, [seeds] * len(rows), GOALS, Noise(500), needed=3, final=True)
    assert list(found.places) == front(rows, GOALS)
    assert found.provisional == (seeds < 3)


def test_a_lucky_seed_stands_behind_three_that_agree() -> None:
    rows = [{"error": 0.045, "params": 100.0}, {"error": 0.046, "params": 100.0}]
    seen = front_of(rows, [1, 3], GOALS, Noise(500), needed=3, final=False)
    assert (list(seen.places), seen.provisional) == ([1], False)
    # And a better one that has too few is no elite in the end.
    rows = [{"error": 0.01, "params": 100.0}, {"error": 0.2, "params": 100.0}]
    assert list(front_of(rows, [2, 3], GOALS, Noise(500), needed=3, final=False).places) == [0]
    assert list(front_of(rows, [2, 3], GOALS, Noise(500), needed=3, final=True).places) == [1]
    assert front_of(rows, [1, 1], GOALS, Noise(500), needed=3, final=True).provisional
