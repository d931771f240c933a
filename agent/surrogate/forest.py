"""A forest on the log of what is predicted: every tree gives one guess, so that they give a spread.

Extremely randomised trees (Geurts, Ernst and Wehenkel 2006), on draws of the rows: on archived campaigns they
pick as well as a random forest does, and are fitted in half the time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evoarch.agent.surrogate.features import SIZES, Features

Matrix = NDArray[np.float64]

TREES = 100
RICH_FROM = 40
"""Rows from which on all features are used: with fewer, the sizes alone predict better."""

MOST_ROWS = 1500
"""Rows that a forest is fitted to, so that fitting stays below two seconds whatever the archive holds."""


@dataclass(frozen=True)
class Row:
    """A label: what a model with these `features` reached after a `share` (0..1) of its training.

    `value`: the metric, above 0. `weight`: what the row counts, relative to others.
    """

    features: Features
    share: float
    value: float
    weight: float = 1.0


@dataclass(frozen=True)
class Forest:
    """A fitted forest. `columns`: how many features it looks at. `rows`: how many it was fitted to. `log`:
    whether it was fitted to the log of the values.
    """

    trees: Sequence[Any]
    columns: int
    rows: int
    log: bool = True

    def guesses(self, features: Sequence[Features], share: float = 1.0) -> Matrix:
        """What each tree guesses for each model after a `share` of its training: (models, trees)."""
        asked = _matrix([(each, share) for each in features], self.columns).astype(np.float32)
        found = np.stack([tree.predict(asked)[:, 0] for tree in self.trees], axis=1)
        return np.asarray(np.exp(found) if self.log else found)


def fit(rows: Sequence[Row], seed: int, *, log: bool = True) -> Forest:
    """A forest on the log of the rows' values, or on the values. `seed` (0 to 2**32 - 1) draws its trees.

    Of more than MOST_ROWS rows the newest half of that number is taken, and a draw by `seed` of the others.
    Raises ValueError without rows.
    """
    # Imported late: it takes a second, which a campaign without screening has no use for.
    from sklearn.ensemble import ExtraTreesRegressor

    if not rows:
        raise ValueError("expected at least one row, got none")
    chosen = _subsample(rows, seed)
    values = np.array([row.value for row in chosen])
    columns = len(chosen[0].features) if len(chosen) >= RICH_FROM else SIZES
    forest = ExtraTreesRegressor(
        TREES, min_samples_leaf=2, max_features=0.5, bootstrap=True, n_jobs=1, random_state=seed
    ).fit(
        _matrix([(row.features, row.share) for row in chosen], columns),
        np.log(values) if log else values,
        sample_weight=[row.weight for row in chosen],
    )
    # The estimators' own `predict` checks its input anew for each tree, which takes most of the time.
    return Forest([estimator.tree_ for estimator in forest.estimators_], columns, len(chosen), log)


def _subsample(rows: Sequence[Row], seed: int) -> Sequence[Row]:
    if len(rows) <= MOST_ROWS:
        return rows
    newest = MOST_ROWS // 2
    older = np.random.default_rng(seed).choice(len(rows) - newest, MOST_ROWS - newest, replace=False)
    return [rows[place] for place in sorted(older)] + list(rows[-newest:])


def _matrix(models: Sequence[tuple[Features, float]], columns: int) -> Matrix:
    """The first `columns` features of each model, and the share of training."""
    return np.array([[*features[:columns], share] for features, share in models], dtype=np.float64)
