"""The forest on rows that are written by hand."""

import random

import numpy as np
import pytest

from evoarch.agent.surrogate import forest
from evoarch.agent.surrogate.forest import RICH_FROM, TREES, Row, fit


def rows(count: int, weight: float = 1.0, factor: float = 1.0) -> list[Row]:
    """The error falls with the first feature and with the share of training; the fourth halves it."""
    rng = random.Random(count)
    found = []
    for _ in range(count):
        size, flag, share = rng.uniform(2, 5), float(rng.random() < 0.5), rng.choice((0.1, 1.0))
        error = factor * 10 ** (-0.3 * size) * (0.5 if flag else 1.0) * (0.7 if share == 1.0 else 1.0)
        found.append(Row((size, size + 1, 3.0, flag), share, error, weight))
    return found


def test_it_learns_size_and_share_and_with_rows_enough_the_other_features() -> None:
    many = fit(rows(300), 1)
    small, large = many.guesses([(2.2, 3.2, 3.0, 0.0), (4.8, 5.8, 3.0, 0.0)]).mean(axis=1)
    assert small > 2 * large
    asked = [(3.5, 4.5, 3.0, 0.0), (3.5, 4.5, 3.0, 1.0)]
    plain, flagged = many.guesses(asked).mean(axis=1)
    assert flagged < 0.75 * plain
    assert many.guesses(asked, 0.1).mean() > many.guesses(asked, 1.0).mean()
    few = fit(rows(RICH_FROM - 1), 1)
    assert (few.guesses(asked)[0] == few.guesses(asked)[1]).all()
    assert few.guesses(asked).shape == (2, TREES)


def test_the_seed_draws_the_trees() -> None:
    one, same, other = (fit(rows(50), seed).guesses([(3.0, 4.0, 3.0, 0.0)]) for seed in (1, 1, 2))
    assert (one == same).all()
    assert (one != other).any()


def test_rows_that_weigh_more_count_more() -> None:
    asked = [(3.0, 4.0, 3.0, 0.0)]
    both = [*rows(60), *rows(61, weight=8.0, factor=3.0)]
    plain = [*rows(60), *rows(61, factor=3.0)]
    assert fit(both, 1).guesses(asked).mean() > fit(plain, 1).guesses(asked).mean()


def test_sizes_that_are_not_known_are_no_hindrance() -> None:
    with_gaps = [Row((row.features[0], np.nan, *row.features[2:]), row.share, row.value) for row in rows(50)]
    assert np.isfinite(fit(with_gaps, 1).guesses([(3.0, np.nan, 3.0, 0.0)])).all()


def test_of_many_rows_the_newest_and_a_draw_of_the_others_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forest, "MOST_ROWS", 100)
    every = rows(1000)
    fitted = fit(every, 1)
    assert fitted.rows == 100
    newest = [Row((3.0, 4.0, 3.0, 0.0), 1.0, 9.0)] * 50
    assert fit([*every, *newest], 1).guesses([(3.0, 4.0, 3.0, 0.0)]).mean() > 1.0


def test_without_rows_there_is_no_forest() -> None:
    with pytest.raises(ValueError, match="at least one row"):
        fit([], 1)
