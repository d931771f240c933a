"""`tensors:FILE`: a user's own data file, .npz or .safetensors, as a classification or a regression.

The file holds `x_train`, `y_train`; perhaps `x_val`, `y_val` (else a fifth of the training examples is drawn
by the campaign's seed) and `x_test`, `y_test`, which only `confirm` opens, with `x_selection`, `y_selection`
to select on (else a fixed half of the test). Integer targets (n,) are class numbers, floating point ones (n,)
or (n, k) make a regression.

Inputs are standardised by the mean and the deviation of `x_train`: each feature of a vector, each channel (an
example's first axis) of anything larger. So are the targets of a regression, output by output.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evoarch.evaluators.task import Floats, Split, Splits
from evoarch.evaluators.tasks.data import DataTask
from evoarch.evaluators.tasks.tensors_file import read_parts

VALIDATION = 5
"""One training example in so many is drawn for validation where the file has none."""

HALVES_SEED = 0
"""Draws the half of the test that is selected on where the file has no selection split."""


@dataclass(frozen=True)
class Scale:
    """(values - mean) / deviation, of float64 values along the last axes of what is scaled."""

    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]

    def __call__(self, values: Floats) -> Floats:
        return ((values - self.mean) / self.deviation).astype(np.float32)


class Tensors(DataTask):
    """The task of one file without a test split. `digest` is the file's SHA-256."""

    def __init__(self, name: str, parts: Mapping[str, Split], classes: int, digest: str) -> None:
        """`parts`: `train` and perhaps others, as the file has them; `classes` 0 for a regression."""
        train = parts["train"]
        self._name, self.digest = name, digest
        axes = (0, *range(2, train.inputs.ndim))
        self.scale = _scale(train.inputs, axes)
        self.target_scale = None if classes else _scale(np.asarray(train.targets, np.float32), (0,))
        width = {"num_classes": classes} if classes else {"num_outputs": train.targets.shape[1]}
        self._offers = {"input_shape": train.inputs.shape[1:], **width}
        self._parts = {part: self._scaled(split) for part, split in parts.items()}

    @property
    def name(self) -> str:
        return self._name

    @property
    def offers(self) -> Mapping[str, object]:
        return self._offers

    def splits(self, seed: int) -> Splits:
        """The file's own validation split, or a fifth of its training examples drawn by `seed`."""
        pool = self._parts["train"]
        if "val" in self._parts:
            return Splits(train=pool, validation=self._parts["val"])
        held, kept = _cut(len(pool.inputs), len(pool.inputs) // VALIDATION, seed)
        return Splits(train=_taken(pool, kept), validation=_taken(pool, held))

    def _scaled(self, split: Split) -> Split:
        targets = split.targets
        if self.target_scale is not None:
            targets = self.target_scale(np.asarray(targets, np.float32))
        return Split(self.scale(split.inputs), targets)


class SealedTensors(Tensors):
    """The task of one file with a test split."""

    def selection_splits(self, seed: int) -> Splits:
        """All that the search had, and `x_selection`, or a fixed half of the test."""
        parts = [self._parts["train"], *([self._parts["val"]] if "val" in self._parts else [])]
        train = Split(
            np.concatenate([part.inputs for part in parts]),
            np.concatenate([part.targets for part in parts]),
        )
        return Splits(train=train, validation=self._halves()[0])

    def sealed_tests(self, seed: int) -> Mapping[str, Split]:
        """`held_out`: the test, or the half of it that nothing is selected on; the same for every seed."""
        return {"held_out": self._halves()[1]}

    def _halves(self) -> tuple[Split, Split]:
        test = self._parts["test"]
        if "selection" in self._parts:
            return self._parts["selection"], test
        selecting, held = _cut(len(test.inputs), len(test.inputs) // 2, HALVES_SEED)
        return _taken(test, selecting), _taken(test, held)


def tensors_task(name: str, path: Path) -> Tensors:
    """The task of the file at `path`, called `name`. Raises TaskError, one line that names the array."""
    parts, classes = read_parts(path)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    kind = SealedTensors if "test" in parts else Tensors
    return kind(name, parts, classes, digest)


def _scale(values: Floats, axes: tuple[int, ...]) -> Scale:
    mean = values.mean(axes, dtype=np.float64, keepdims=True)[0]
    deviation = values.std(axes, dtype=np.float64, keepdims=True)[0]
    # What never varies in training stays where the mean puts it.
    return Scale(mean, np.where(deviation > 1e-12 * np.abs(mean), deviation, 1.0))


def _cut(count: int, first: int, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """`first` of `count` numbers drawn by `seed`, and the others."""
    order = np.random.default_rng(seed).permutation(count)
    return order[:first], order[first:]


def _taken(split: Split, which: NDArray[np.int64]) -> Split:
    return Split(split.inputs[which], split.targets[which])
