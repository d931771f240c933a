"""Who gets the next training seed: a race for places on the front, as a pure function.

The true error of each candidate is drawn from what its seeds say of it (its mean, with the pooled variance of
seeds), again and again, and each draw has a front. A candidate is contested as often as a draw puts it where
the means do not: on the front or off it. The next seed goes where that share times what a seed takes off the
variance of the mean, v / S - v / (S + 1), is largest. For one objective this is the sampling rule of top-two
Thompson sampling (Russo 2016, arXiv 1602.08448), for which the leader and its rivals are contested alike;
fronts by posterior sampling are those of Kone et al. 2024 (arXiv 2411.04939). Sizes are known: only the error
is raced for. The front stands when nobody is contested in more than DOUBT of the draws.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from agent.noise import Noise
from archive.pareto import Objective, front

DRAWS = 200
DOUBT = 0.05
"""As sure of every place on the front, and off it, as intervals are."""

REACH = 3.0
"""Standard deviations: who would not be on the front if its own mean were so much too high, and those of the
others as much too low, is not looked at."""

Row = Mapping[str, float]


def next_seeds(
    rows: Sequence[Row],
    seeds: Sequence[int],
    goals: Sequence[Objective],
    noise: Noise,
    rng: np.random.Generator,
    *,
    batch: int = 1,
) -> list[int]:
    """Places of at most `batch` rows to train once more, the most telling first; none where the front stands.

    `rows` hold the mean error over `seeds` training seeds (at least one) and the other objectives.
    """
    if not rows or all(goal.name != "error" for goal in goals):
        return []
    count = np.asarray(seeds, dtype=float)
    means = np.array([row["error"] for row in rows])
    # An error of zero over few seeds is not known to be zero.
    p = np.clip(means, 0.5 / (noise.examples or 1000), 0.5)
    variance = noise.dispersion * p * (1.0 - p)
    spread = np.sqrt(variance / count)
    near = _near(rows, means, REACH * spread, goals)
    contested = _contested([rows[i] for i in near], means[near], spread[near], goals, rng)
    gain = contested * (variance / count - variance / (count + 1.0))[near]
    order = [int(i) for i in np.argsort(-gain, kind="stable") if contested[i] > DOUBT]
    return [near[i] for i in order[:batch]]


def _contested(
    rows: Sequence[Row],
    means: NDArray[np.float64],
    spread: NDArray[np.float64],
    goals: Sequence[Objective],
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """The share of draws in which each row is on the front where the means say off, or the reverse."""
    standing = _front(rows, means, goals)
    drawn = rng.normal(means, spread, (DRAWS, len(rows)))
    return np.asarray(np.mean([_front(rows, each, goals) != standing for each in drawn], axis=0))


def _front(rows: Sequence[Row], errors: NDArray[np.float64], goals: Sequence[Objective]) -> NDArray[np.bool_]:
    on = np.zeros(len(rows), dtype=bool)
    on[front(_with(rows, errors), goals)] = True
    return on


def _with(rows: Sequence[Row], errors: NDArray[np.float64]) -> list[Row]:
    return [{**row, "error": error} for row, error in zip(rows, errors.tolist(), strict=True)]


def _near(
    rows: Sequence[Row], means: NDArray[np.float64], reach: NDArray[np.float64], goals: Sequence[Objective]
) -> list[int]:
    """Who could be on the front: no row at its worst is as good in everything as this one at its best."""
    names = [goal.name for goal in goals]
    worst = _with(rows, means + reach)
    bar = np.array([[worst[i][name] for name in names] for i in front(worst, goals)])
    best = np.array([[row[name] for name in names] for row in _with(rows, means - reach)])
    below = np.all(bar[None, :, :] <= best[:, None, :], axis=2) & np.any(
        bar[None, :, :] < best[:, None, :], axis=2
    )
    return [int(i) for i in np.flatnonzero(~below.any(axis=1))]
