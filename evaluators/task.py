"""The task protocol: data, splits, what is offered to an entry, loss, score, recipes and baseline files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from evoarch.archive.records import Outcome
from evoarch.evaluators.errors import TaskError as TaskError

Floats = NDArray[np.float32]
Labels = NDArray[np.int64]
Targets = Labels | Floats


@dataclass(frozen=True)
class Recipe:
    """How a candidate is trained. `rate` is the peak (onecycle) or constant learning rate; `steps` are
    optimiser steps of `batch` examples; weights are kept at `checkpoints` evenly spaced steps (1: the last),
    and the one with the lowest validation error counts (chosen by the trusted process). With rungs, an
    annealed recipe trains its first `hold` steps at a constant rate (evaluators.inside.schedule). `searched`:
    whether a genome's own RECIPE changes it (evaluators.recipe).

    `optimiser`: adamw, sgd (Nesterov) or muon. `schedule`: onecycle, cosine (with a linear rise over the
    share `warmup` of the steps) or constant. `clip`: the largest norm of all gradients (0: any). `average`:
    the decay of an exponential moving average of the weights, which is what is kept (0: none).
    `label_smoothing`, `class_weights` ("none", "balanced"): of losses over classes. `augment`: names of
    evaluators.inside.augment, which evaluators.recipe.augmentations says of a task.
    """

    name: str
    rate: float
    steps: int
    batch: int
    optimiser: str = "adamw"
    weight_decay: float = 0.01
    schedule: str = "onecycle"
    checkpoints: int = 1
    hold: int = 0
    searched: bool = False
    warmup: float = 0.0
    clip: float = 0.0
    average: float = 0.0
    label_smoothing: float = 0.0
    class_weights: str = "none"
    augment: tuple[str, ...] = ()


@dataclass(frozen=True)
class Split:
    """`inputs` are (n, *input_shape) float32; `targets` (n,) int64 class numbers, or (n, k) float32 in a
    regression.
    """

    inputs: Floats
    targets: Targets


@dataclass(frozen=True)
class Splits:
    """What a search may see. The validation targets never leave the trusted process."""

    train: Split
    validation: Split


class Task(Protocol):
    """What a campaign searches on. `offers` are the arguments an entry may name in its signature.

    It may have `describe() -> str`: what an example is and what is to be said of it, in a sentence or two for
    the prompts of language models; without it, that is told from the offers (evaluators.facts).
    """

    @property
    def name(self) -> str:
        """What campaigns and messages call it."""
        ...

    @property
    def offers(self) -> Mapping[str, object]:
        """Arguments that an entry may name, e.g. `input_shape` (one example's) and `num_classes`."""
        ...

    @property
    def recipes(self) -> Mapping[str, Recipe]:
        """How candidates are trained, by name; one is called "fast"."""
        ...

    @property
    def seeds(self) -> Mapping[str, str]:
        """Baseline model files: name to source."""
        ...

    @property
    def ceiling(self) -> float:
        """Error above which a candidate fails its constraint (0.5 for ten classes)."""
        ...


@runtime_checkable
class SupervisedTask(Task, Protocol):
    """A task of examples with class numbers or with numbers, which the common evaluator measures.

    Its `offers` hold `input_shape` and either `num_classes` or `num_outputs`. It may name a training loop of
    its own (`fit_file`, evaluators.fit), and bring `metrics` beside the error: a tuple of names of built-in
    ones or of objects (evaluators.metrics.base.Metric).
    """

    @property
    def loss(self) -> str:
        """`cross_entropy`: classes; `mean_squared_error`: a regression."""
        ...

    def splits(self, seed: int) -> Splits:
        """Training and validation split, drawn by the campaign's seed. Offline and deterministic."""
        ...


@runtime_checkable
class GeneratedTask(SupervisedTask, Protocol):
    """A task whose examples are made by rule, so that there are always some that nobody has seen."""

    def fresh(self, count: int, seed: int) -> Split:
        """`count` examples like those of the validation split, and none of it: the same ones for a seed."""
        ...


@dataclass(frozen=True)
class Evaluated:
    """What one evaluation found: its outcome (archive.records), cost, and what later questions need."""

    outcome: Outcome
    seconds: float
    cpu_seconds: float
    correct: bytes = b""
    weights: Mapping[str, NDArray[np.generic]] = field(default_factory=dict)
    detail: Mapping[str, object] = field(default_factory=dict)
    state: Mapping[str, NDArray[np.generic]] = field(default_factory=dict)
    """What a further segment of the training goes on from; empty where there is none."""
