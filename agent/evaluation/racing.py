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

from evoarch.agent.statistics.noise import Noise
from evoarch.archive.pareto import Objective

DRAWS = 200
DOUBT = 0.05
"""As sure of every place on the front, and off it, as intervals are."""

REACH = 3.0
"""Standard deviations: who would not be on the front if its own mean were so much too high, and those of the
others as much too low, is not looked at."""

Row = Mapping[str, float]
Floats = NDArray[np.float64]


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
    others = np.array([[row[goal.name] for goal in goals if goal.name != "error"] for row in rows])
    others = others.reshape(len(rows), -1)
    near = _near(means, REACH * spread, others)
    contested = _contested(means[near], spread[near], others[near], rng)
    gain = contested * (variance / count - variance / (count + 1.0))[near]
    order = [int(i) for i in np.argsort(-gain, kind="stable") if contested[i] > DOUBT]
    return [int(near[i]) for i in order[:batch]]


def _near(means: Floats, reach: Floats, others: Floats) -> NDArray[np.int64]:
    """Places of those that could be on the front: nobody that is as good in everything else is better at its
    worst than they are at their best.
    """
    order = np.argsort(means + reach, kind="stable")
    kept = np.ones(len(means), dtype=bool)
    bar = np.empty((0, others.shape[1] + 1))
    for place in order:
        worst = np.append(others[place], means[place] + reach[place])
        if len(bar) and np.any(np.all(bar <= worst, axis=1)):
            continue  # Whom it beats is beaten already.
        bar = np.vstack([bar, worst])
        beaten = np.all(others[place] <= others, axis=1) & (means - reach > worst[-1])
        kept &= ~beaten
    return np.flatnonzero(kept)


def _contested(means: Floats, spread: Floats, others: Floats, rng: np.random.Generator) -> Floats:
    """The share of draws in which each is on the front where the means say off, or the reverse."""
    as_good = np.all(others[:, None, :] <= others[None, :, :], axis=2)
    better = np.any(others[:, None, :] < others[None, :, :], axis=2)

    def on_front(errors: Floats) -> NDArray[np.bool_]:
        lower, equal = errors[:, None] < errors[None, :], errors[:, None] == errors[None, :]
        return np.asarray(~np.any(as_good & (lower | (equal & better)), axis=0))

    standing = on_front(means)
    drawn = rng.normal(means, spread, (DRAWS, len(means)))
    return np.asarray(np.mean([on_front(errors) != standing for errors in drawn], axis=0))
