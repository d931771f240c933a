"""MNIST-1D (Greydanus and Kobak, 2020): ten classes of noisy one-dimensional digits of 40 samples.

The data are made offline from the package's own public seed, so every machine has the same bytes. Of the
4,000 training examples 500 are drawn as validation by the campaign's seed. Sealed, for evaluators.sealed
alone: 10,000 fresh examples to select on, the 1,000 published test examples, and 100,000 fresh ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources

import numpy as np

from evoarch.evaluators.task import Recipe, Split, Splits
from evoarch.evaluators.tasks.mnist1d.generator import fresh, own_state

SHUFFLE = 1
"""Seed of the permutation of `mnist1d-shuffled`."""

VALIDATION = 500
"""Examples drawn from the 4,000 for validation; 3,500 stay for training."""

SELECTION, FRESH = 10_000, 100_000
"""Fresh examples to select finished candidates on, and to test them on."""

SELECTION_SEED = 2_000_000_000
"""Added to a campaign's seed: far from the published set's 42 and from the range of drawn test seeds."""

FRESH_SEED = 3_000_000_000
"""Added to the seed of a campaign's fresh examples: far from all others."""

RECIPES = {
    "fast": Recipe("fast", rate=0.04, steps=400, batch=128),
    "full": Recipe("full", rate=0.02, steps=4000, batch=128),
    "paper": Recipe("paper", rate=0.01, steps=8000, batch=128, schedule="constant", checkpoints=16),
}
"""`fast`: its peak rate has the lowest validation error over the four baselines, two splits and repeats each:

    rate   conv_base  gru    mlp    residual_cnn  mean
    0.003  0.364      0.522  0.443  0.031         0.340
    0.006  0.232      0.412  0.418  0.022         0.271
    0.01   0.179      0.292  0.401  0.022         0.224
    0.02   0.116      0.183  0.385  0.023         0.177
    0.04   0.084      0.089  0.379  0.022         0.143
    0.06   0.074      0.104  0.441  0.022         0.160
    0.08   0.075      0.108  0.486  0.029         0.174
    0.12   0.155      0.119  0.569  0.031         0.218

`full`: what `confirm` trains with, at half and at twice this rate too: ten times the steps of `fast`.
`paper`: AdamW 0.01, batch 128, 8,000 steps (EvoPrompting, Chen et al. 2023, section 4.1)."""


@cache
def _dataset() -> tuple[Split, Split]:
    """The 4,000 and the 1,000 examples in float32, made once per process (about two seconds)."""
    # Imported late: the package draws in matplotlib, which a command that needs no data should not pay.
    from mnist1d.data import make_dataset

    with own_state():
        data = make_dataset()
    train = Split(data["x"].astype(np.float32), data["y"].astype(np.int64))
    test = Split(data["x_test"].astype(np.float32), data["y_test"].astype(np.int64))
    for array in (train.inputs, train.targets, test.inputs, test.targets):
        array.setflags(write=False)
    return train, test


class Mnist1d:
    """The task `mnist1d`. A model's `forward` gets (batch, 40) float32 and returns (batch, 10) logits."""

    name = "mnist1d"
    loss = "cross_entropy"
    ceiling = 0.5

    def describe(self) -> str:
        """As evaluators.task.Task says."""
        return (
            "Sort noisy one-dimensional drawings of the digits 0 to 9 (MNIST-1D): 40 samples of one signal, "
            "shifted, scaled and sheared, with correlated noise."
        )

    @property
    def offers(self) -> Mapping[str, object]:
        """`input_shape` is one example's shape, without the batch: a model adds its own channel axis."""
        return {"input_shape": (40,), "num_classes": 10}

    @property
    def recipes(self) -> Mapping[str, Recipe]:
        return RECIPES

    @property
    def seeds(self) -> Mapping[str, str]:
        folder = resources.files(__name__) / "seeds"
        files = sorted((f for f in folder.iterdir() if f.name.endswith(".py")), key=lambda f: f.name)
        return {file.name.removesuffix(".py"): file.read_text(encoding="utf-8") for file in files}

    def splits(self, seed: int) -> Splits:
        """3,500 training and 500 validation examples; the same seed draws the same ones."""
        pool, _ = _dataset()
        order = np.random.default_rng(seed).permutation(len(pool.targets))
        held, kept = order[:VALIDATION], order[VALIDATION:]
        return Splits(
            train=self._arranged(Split(pool.inputs[kept], pool.targets[kept])),
            validation=self._arranged(Split(pool.inputs[held], pool.targets[held])),
        )

    def selection_splits(self, seed: int) -> Splits:
        """All 4,000 published training examples, and 10,000 fresh ones to select on: the same for a seed."""
        pool, _ = _dataset()
        selecting = fresh(SELECTION, SELECTION_SEED + seed)
        return Splits(train=self._arranged(pool), validation=self._arranged(selecting))

    def sealed_tests(self, seed: int) -> Mapping[str, Split]:
        """`public`: the 1,000 published test examples; `fresh`: 100,000 under `seed`, which is drawn at
        confirmation. The first call for a seed takes about a minute.
        """
        return {"fresh": self._arranged(fresh(FRESH, seed)), "public": self._arranged(_dataset()[1])}

    def fresh(self, count: int, seed: int) -> Split:
        """Examples that were never published, by the same generator."""
        return self._arranged(fresh(count, FRESH_SEED + seed))

    def _arranged(self, split: Split) -> Split:
        return split


class ShuffledMnist1d(Mnist1d):
    """The task `mnist1d-shuffled`: the 40 positions of every example in one fixed random order, so that what
    convolutions assume of space no longer holds (Greydanus and Kobak, 2020, "shuffled features").

    The permutation is this task's own (`SHUFFLE`), the same for every split and seed.
    """

    name = "mnist1d-shuffled"

    def describe(self) -> str:
        """As evaluators.task.Task says."""
        return f"{super().describe()} The 40 samples stand in one fixed random order: neighbours say nothing."

    def _arranged(self, split: Split) -> Split:
        return _shuffled(split)


def _shuffled(split: Split) -> Split:
    order = np.random.default_rng(SHUFFLE).permutation(split.inputs.shape[1])
    return Split(np.ascontiguousarray(split.inputs[:, order]), split.targets)
