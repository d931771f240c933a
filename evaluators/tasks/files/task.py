"""The task of a user's own file, whatever its kind: parts that are scaled, and a sealed test where one is.

Inputs are standardised by the mean and the deviation of the training examples: each feature of a vector, each
channel (an example's first axis) of anything larger. So are the targets of a regression, output by output.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from evoarch.evaluators.task import Floats, Split, Splits, Targets
from evoarch.evaluators.tasks.data import DataTask

PART = 5
"""One example in so many is drawn for validation, and for the test, where the data do not say which."""

FIXED_SEED = 0
"""Draws what must be the same in every campaign: the test, and the half of it that is selected on."""


@dataclass(frozen=True)
class FileData:
    """What was read. `parts`: `train` and perhaps `val`, `selection`, `test`. `classes` 0 for a regression.
    `digest`: SHA-256 of the data. `plain`: features of a vector that are not scaled (category codes).
    `offers`: what models may ask for beside the shapes. `notes`: what was found, a line each, for people.
    `baselines`: name and file of each, where those of the inputs' rank do not fit. `loss`, `metrics`: where
    they are not those of a classification or a regression. `about`: what an example is, for prompts.
    Inputs of int64 are tokens, which are not scaled.
    """

    parts: Mapping[str, Split]
    classes: int
    digest: str
    plain: NDArray[np.bool_] | None = None
    offers: Mapping[str, object] = field(default_factory=dict)
    notes: Sequence[str] = ()
    baselines: Mapping[str, str] = field(default_factory=dict)
    loss: str = ""
    metrics: Sequence[str] = ()
    about: str = ""


@dataclass(frozen=True)
class Scale:
    """(values - mean) / deviation, of float64 values along the last axes of what is scaled."""

    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]

    def __call__(self, values: Floats) -> Floats:
        return ((values - self.mean) / self.deviation).astype(np.float32)


class FileTask(DataTask):
    """The task of one file, or folder, without a test. `digest` is that of the data."""

    def __init__(self, name: str, data: FileData) -> None:
        train = data.parts["train"]
        self._name, self.digest, self.notes = name, data.digest, tuple(data.notes)
        self.baselines, self.metrics = data.baselines, tuple(data.metrics)
        self._loss, self._about = data.loss, data.about
        tokens = train.inputs.dtype == np.int64
        self.scale = None if tokens else _scale(train.inputs, (0, *range(2, train.inputs.ndim)), data.plain)
        self.target_scale = None if data.classes else _scale(np.asarray(train.targets, np.float32), (0,))
        width = {"num_classes": data.classes} if data.classes else {"num_outputs": train.targets.shape[1]}
        self._offers = {"input_shape": train.inputs.shape[1:], **width, **data.offers}
        self._parts = {part: self._scaled(split) for part, split in data.parts.items()}

    @property
    def name(self) -> str:
        return self._name

    @property
    def offers(self) -> Mapping[str, object]:
        return self._offers

    @property
    def loss(self) -> str:
        return self._loss or super().loss

    def describe(self) -> str:
        """What an example is, where the kind of file says more than its shape."""
        return self._about

    def splits(self, seed: int) -> Splits:
        """The data's own validation split, or a fifth of the training examples drawn by `seed`."""
        pool = self._parts["train"]
        if "val" in self._parts:
            return Splits(train=pool, validation=self._parts["val"])
        held, kept = cut(pool, len(pool.inputs) // PART, seed)
        return Splits(train=kept, validation=held)

    def _scaled(self, split: Split) -> Split:
        targets = split.targets
        if self.target_scale is not None:
            targets = self.target_scale(np.asarray(targets, np.float32))
        return Split(self.scale(split.inputs) if self.scale else split.inputs, targets)


class SealedFileTask(FileTask):
    """The task of one file, or folder, with a test."""

    def selection_splits(self, seed: int) -> Splits:
        """All that the search had, and the selection split, or a fixed half of the test."""
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
        return cut(test, len(test.inputs) // 2, FIXED_SEED)


def file_task(name: str, data: FileData) -> FileTask:
    """The task of `data`, called `name`."""
    return (SealedFileTask if "test" in data.parts else FileTask)(name, data)


def cut(split: Split, first: int, seed: int) -> tuple[Split, Split]:
    """`first` examples of a split drawn by `seed`, and the others."""
    order = np.random.default_rng(seed).permutation(len(split.inputs))
    return _taken(split, order[:first]), _taken(split, order[first:])


def sealed_rows(targets: Targets) -> NDArray[np.bool_]:
    """Which examples make the test where the data do not say: a fixed draw of a fifth of each class."""
    rng = np.random.default_rng(FIXED_SEED)
    groups = [np.arange(len(targets))]
    if targets.dtype == np.int64 and targets.ndim == 1:
        groups = [np.flatnonzero(targets == label) for label in np.unique(targets)]
    sealed = np.zeros(len(targets), np.bool_)
    for group in groups:
        sealed[rng.permutation(group)[: len(group) // PART]] = True
    return sealed


def with_a_test(split: Split) -> dict[str, Split]:
    """A split that nobody divided, as `train` and a sealed `test`."""
    sealed = sealed_rows(split.targets)
    return {"train": _taken(split, np.flatnonzero(~sealed)), "test": _taken(split, np.flatnonzero(sealed))}


def _scale(values: Floats, axes: tuple[int, ...], plain: NDArray[np.bool_] | None = None) -> Scale:
    gaps = bool(np.isnan(values).any())  # of a series' targets
    average, spread = (np.nanmean, np.nanstd) if gaps else (np.mean, np.std)
    mean = np.asarray(average(values, axes, dtype=np.float64, keepdims=True))[0]
    deviation = np.asarray(spread(values, axes, dtype=np.float64, keepdims=True))[0]
    # What never varies in training stays where the mean puts it.
    deviation = np.where(deviation > 1e-12 * np.abs(mean), deviation, 1.0)
    if plain is not None:
        mean, deviation = np.where(plain, 0.0, mean), np.where(plain, 1.0, deviation)
    return Scale(mean, deviation)


def _taken(split: Split, which: NDArray[np.int64]) -> Split:
    return Split(split.inputs[which], split.targets[which])
