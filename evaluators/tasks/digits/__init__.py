"""Digits: 1,797 real handwritten digits of 8 x 8 pixels (Alpaydin and Kaynak, 1998, UCI), as scikit-learn
ships them: a two-dimensional task without a download.

A fixed draw (`SEALED_SEED`) seals 400 images as the test and sets 300 apart to select on; of the other 1,097
the campaign's seed draws 250 as validation.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources

import numpy as np

from evoarch.evaluators.task import Recipe, Split, Splits

SEALED_SEED = 0
TEST, SELECTION, VALIDATION = 400, 300, 250

RECIPES = {"fast": Recipe("fast", rate=0.01, steps=200, batch=64)}
"""The peak rate was not tuned."""


@cache
def _parts() -> tuple[Split, Split, Split]:
    """The images for the search, for selection and for the test; pixels of 0..16 scaled to 0..1."""
    # Imported late: a command that needs no data should not pay for it.
    from sklearn.datasets import load_digits

    data = load_digits()
    inputs = (data.images[:, None] / 16.0).astype(np.float32)
    targets = data.target.astype(np.int64)
    order = np.random.default_rng(SEALED_SEED).permutation(len(targets))
    test, selection, rest = np.split(order, [TEST, TEST + SELECTION])
    searched, selected, tested = (Split(inputs[part], targets[part]) for part in (rest, selection, test))
    return searched, selected, tested


class Digits:
    """The task `digits`. A model's `forward` gets (batch, 1, 8, 8) float32 and returns (batch, 10) logits."""

    name = "digits"
    loss = "cross_entropy"
    ceiling = 0.5

    def describe(self) -> str:
        """As evaluators.task.Task says."""
        return "Sort grey images of handwritten digits, 1 channel of 8 x 8 pixels in 0 to 1, into 10 classes."

    @property
    def offers(self) -> Mapping[str, object]:
        """`input_shape` is one image's shape, with its channel, without the batch."""
        return {"input_shape": (1, 8, 8), "num_classes": 10}

    @property
    def recipes(self) -> Mapping[str, Recipe]:
        return RECIPES

    @property
    def seeds(self) -> Mapping[str, str]:
        folder = resources.files(__name__) / "seeds"
        files = sorted((f for f in folder.iterdir() if f.name.endswith(".py")), key=lambda f: f.name)
        return {file.name.removesuffix(".py"): file.read_text(encoding="utf-8") for file in files}

    def splits(self, seed: int) -> Splits:
        """847 training and 250 validation images; the same seed draws the same ones."""
        pool, _, _ = _parts()
        order = np.random.default_rng(seed).permutation(len(pool.targets))
        held, kept = order[:VALIDATION], order[VALIDATION:]
        return Splits(
            train=Split(pool.inputs[kept], pool.targets[kept]),
            validation=Split(pool.inputs[held], pool.targets[held]),
        )

    def selection_splits(self, seed: int) -> Splits:
        """All 1,097 images of the search, and 300 others to select on."""
        pool, selection, _ = _parts()
        return Splits(train=pool, validation=selection)

    def sealed_tests(self, seed: int) -> Mapping[str, Split]:
        """`held_out`: 400 images, the same for every seed."""
        return {"held_out": _parts()[2]}
