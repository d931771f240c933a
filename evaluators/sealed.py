"""The splits that no search may see, and what confirms a finished candidate on them.

This is the only module that asks a task for them, and agent/confirm/ is the only one that uses it (both are
pinned by tests). Training is from scratch, through the same walls and the same two predictions as ever.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from evoarch.archive.records import Failed
from evoarch.evaluators.checks import asked, check_split, check_splits, output_shape
from evoarch.evaluators.evaluation import Evaluator
from evoarch.evaluators.failures import failure_of
from evoarch.evaluators.flow import derived_seed
from evoarch.evaluators.params import carried
from evoarch.evaluators.task import Evaluated, Floats, Recipe, Split, Splits, SupervisedTask, Task, TaskError
from evoarch.sandbox.description import Description
from evoarch.sandbox.job import Job, Runner
from evoarch.sandbox.limits import Limits
from evoarch.sandbox.outcome import Array, Finished

BATCH = 5_000
"""Examples at a time in a prediction on a test: 100,000 at once would not fit beside their activations."""


@dataclass(frozen=True)
class Graded:
    """Of each example of a test, how much of the prediction was right: (n,) float32, 0 to 1; 0 or 1 where
    an example has one answer; in a regression at most 1 (evaluators.regression).
    """

    right: NDArray[np.float32]


class Confirmer(Protocol):
    """Retrains a candidate and asks the sealed splits. Never raises for what a genome does."""

    async def select(self, source: str, *, digest: str, repeat: int, rate: float) -> Evaluated:
        """Train from scratch at a learning rate, scored on the selection split."""
        ...

    async def open(
        self, source: str, weights: Mapping[str, Array], *, digest: str, repeat: int, rate: float
    ) -> Mapping[str, Graded] | Failed:
        """The sealed tests, by name, answered by the weights that `select` gave."""
        ...


@runtime_checkable
class SealedTask(SupervisedTask, Protocol):
    """A supervised task with splits for confirmation."""

    def selection_splits(self, seed: int) -> Splits:
        """All that may be trained on, and the selection split (as `validation`)."""
        ...

    def sealed_tests(self, seed: int) -> Mapping[str, Split]:
        """The tests by name; `seed` is drawn at confirmation, for tests that are made then."""
        ...


@runtime_checkable
class OwnConfirmation(Task, Protocol):
    """A task that brings its own confirmer, as it brings its own evaluator."""

    def confirmer(
        self, recipe: Recipe, runner: Runner, *, limits: Limits, campaign_seed: int, test_seed: int
    ) -> Confirmer: ...


def confirming(
    task: Task,
    recipe: Recipe,
    runner: Runner,
    *,
    limits: Limits,
    campaign_seed: int,
    test_seed: int,
    exempt: Description | None = None,
) -> Confirmer:
    """The confirmer of a task. `exempt`: as evaluators.evaluation.Evaluator says. Raises TaskError for a task
    that has no sealed splits.
    """
    if isinstance(task, OwnConfirmation):
        return task.confirmer(recipe, runner, limits=limits, campaign_seed=campaign_seed, test_seed=test_seed)
    if isinstance(task, SealedTask):
        return SealedConfirmer(
            task,
            recipe,
            runner,
            limits=limits,
            campaign_seed=campaign_seed,
            test_seed=test_seed,
            exempt=exempt,
        )
    refuse_unsealed(task)
    raise AssertionError("a task with sealed splits has one of the two protocols")


def refuse_unsealed(task: Task) -> None:
    """Raises TaskError where a task has no test split to confirm on."""
    if not isinstance(task, OwnConfirmation | SealedTask):
        raise TaskError(
            f"task {task.name}: expected a test split to confirm on (x_test and y_test of a data file; "
            "selection_splits and sealed_tests of a class), got none"
        )


def selection_of(task: SealedTask, seed: int) -> Splits:
    """All that may be trained on, and the selection split. Raises TaskError where they do not hold."""
    splits = asked(task, "selection_splits", lambda: task.selection_splits(seed))
    return check_splits(task, splits, "selection")


def tests_of(task: SealedTask, seed: int) -> Mapping[str, Split]:
    """The tests by name. Raises TaskError where they do not hold."""
    tests = asked(task, "sealed_tests", lambda: task.sealed_tests(seed))
    if not isinstance(tests, Mapping) or not tests:
        raise TaskError(
            f"task {task.name}: sealed_tests: expected splits by name, got {type(tests).__name__}"
        )
    return {name: check_split(task, split, f"test {name}") for name, split in tests.items()}


@dataclass(frozen=True)
class _Selecting:
    """A task as the common evaluator sees it while it confirms: the selection split is the validation."""

    task: SealedTask
    campaign_seed: int

    def __getattr__(self, name: str) -> object:
        return getattr(self.task, name)

    def splits(self, seed: int) -> Splits:
        return selection_of(self.task, self.campaign_seed)


class SealedConfirmer:
    """Confirms on a task with sealed splits. The tests are read when the first one is opened, not before."""

    def __init__(
        self,
        task: SealedTask,
        recipe: Recipe,
        runner: Runner,
        *,
        limits: Limits,
        campaign_seed: int,
        test_seed: int,
        exempt: Description | None = None,
    ) -> None:
        self._exempt = exempt
        self._task, self._recipe, self._runner, self._limits = task, recipe, runner, limits
        # Other randomness than the search had: what was lucky there is not lucky here.
        self._seed = derived_seed(campaign_seed, "", 0, "confirm")
        self._selecting, self._test_seed = _Selecting(task, campaign_seed), test_seed
        self._evaluators: dict[float, Evaluator] = {}
        self._tests: Mapping[str, Split] = {}

    async def select(self, source: str, *, digest: str, repeat: int, rate: float) -> Evaluated:
        return await self._evaluator(rate).evaluate(source, digest=digest, repeat=repeat)

    async def open(
        self, source: str, weights: Mapping[str, Array], *, digest: str, repeat: int, rate: float
    ) -> Mapping[str, Graded] | Failed:
        self._tests = self._tests or tests_of(self._task, self._test_seed)
        graded: dict[str, Graded] = {}
        grading = self._evaluator(rate).grading
        for name, split in self._tests.items():
            answers = await self._twice(source, weights, split, digest, repeat)
            if isinstance(answers, Failed):
                return answers
            first, second = answers
            if problem := grading.disagree(first, second):
                return Failed("predict", f"two predictions of the {name} test differ: {problem}")
            right = [grading.right(each, split.targets) for each in answers]
            graded[name] = Graded(np.minimum(*right))
        return graded

    def _evaluator(self, rate: float) -> Evaluator:
        if rate not in self._evaluators:
            self._evaluators[rate] = Evaluator(
                self._selecting,  # type: ignore[arg-type]  # it has the task's attributes by __getattr__
                replace(self._recipe, rate=rate),
                self._runner,
                limits=self._limits,
                campaign_seed=self._seed,
                ceiling=1.0,
                exempt=self._exempt,
            )
        return self._evaluators[rate]

    async def _twice(
        self, source: str, weights: Mapping[str, Array], split: Split, digest: str, repeat: int
    ) -> tuple[Floats, Floats] | Failed:
        """The outputs of a split in its own order, asked plainly, then in another order and batch size."""
        found: list[Floats] = []
        plain = np.arange(len(split.inputs))
        mixed = np.random.default_rng(derived_seed(self._seed, digest, repeat, "order")).permutation(plain)
        for order, batch, purpose in ((plain, BATCH, "test"), (mixed, BATCH // 7, "test again")):
            inputs = split.inputs if order is plain else split.inputs[order]
            inputs.setflags(write=False)
            job = Job(
                "predict",
                source,
                arrays={"inputs": inputs, **{f"0/{n}": a for n, a in carried(weights).items()}},
                options={**self._evaluator(self._recipe.rate).options, "batch": batch, "checkpoints": 1},
                seed=derived_seed(self._seed, digest, repeat, purpose),
                limits=self._limits,
            )
            outcome = await self._runner.run(job)
            if not isinstance(outcome, Finished):
                return failure_of(outcome, "predict")
            logits, expected = outcome.arrays.get("logits"), (1, len(inputs), *output_shape(self._task))
            if logits is None or logits.shape != expected or not np.isfinite(logits).all():
                got = "nothing" if logits is None else f"{logits.dtype} {logits.shape}"
                return Failed("predict", f"the reply must hold finite logits {expected}, got {got}")
            found.append(np.asarray(logits[0], np.float32)[np.argsort(order)])
        return found[0], found[1]
