"""Who measures a task's genomes: the common evaluator, or what the task brings itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol, runtime_checkable

from evoarch.evaluators.evaluation import Evaluator
from evoarch.evaluators.fit import Whole, fit_file, fit_program
from evoarch.evaluators.metrics.base import Metric
from evoarch.evaluators.program import inside_program
from evoarch.evaluators.replies import DryRunPassed
from evoarch.evaluators.task import Evaluated, Recipe, SupervisedTask, Task, TaskError
from evoarch.sandbox.description import Description
from evoarch.sandbox.job import Program, Runner
from evoarch.sandbox.limits import Limits
from evoarch.sandbox.outcome import ChildOutcome


class Measuring(Protocol):
    """Measures genomes of one task with one recipe. Never raises for what a genome does."""

    async def dry_run(self, source: str) -> DryRunPassed | ChildOutcome:
        """Whether a genome can be trained at all: a few examples forward and backward."""
        ...

    async def evaluate(self, source: str, *, digest: str, repeat: int) -> Evaluated:
        """Trains and scores once. `digest` is the source's digest; `repeat` counts training seeds from 0."""
        ...


@runtime_checkable
class OwnTask(Task, Protocol):
    """A task with a training loop of its own: the program that runs inside the walls, and what asks it."""

    def program(self) -> Program:
        """The files that run inside the walls."""
        ...

    def evaluator(
        self,
        recipe: Recipe,
        runner: Runner,
        *,
        limits: Limits | None = None,
        campaign_seed: int = 0,
        ceiling: float | None = None,
    ) -> Measuring:
        """What measures this task's genomes with `recipe` through `runner`."""
        ...


def program_for(task: Task) -> Program:
    """What a zygote for this task loads. Raises TaskError for a training loop that can't be read."""
    if isinstance(task, OwnTask):
        return task.program()
    if isinstance(task, SupervisedTask) and (path := fit_file(task)):
        return fit_program(task, path)
    return inside_program()


def measuring(
    task: Task,
    recipe: Recipe,
    runner: Runner,
    *,
    limits: Limits | None = None,
    campaign_seed: int = 0,
    ceiling: float | None = None,
    metrics: Sequence[Metric] = (),
    exempt: Description | None = None,
    fresh_seed: int | None = None,
) -> Measuring:
    """The evaluator of a task, which measures `metrics` beside the error and the parameters; `exempt` and
    `fresh_seed` as evaluators.evaluation.Evaluator says.

    Raises TaskError for a task that is neither supervised nor brings its own, and for metrics of the latter.
    """
    make: Callable[..., Measuring]
    if isinstance(task, OwnTask):
        if metrics:
            raise TaskError(
                f"metric {metrics[0].name}: expected a task of examples; {task.name} measures by itself"
            )
        make = task.evaluator
    elif isinstance(task, SupervisedTask):
        kind: Callable[..., Measuring] = _whole if fit_file(task) else Evaluator
        make = partial(kind, task, metrics=metrics, exempt=exempt, fresh_seed=fresh_seed)
    else:
        raise TaskError(f"task {task.name}: expected splits and a loss, or a program and an evaluator")
    return make(recipe, runner, limits=limits, campaign_seed=campaign_seed, ceiling=ceiling)


def _whole(task: SupervisedTask, recipe: Recipe, runner: Runner, **named: Any) -> Whole:
    return Whole(Evaluator(task, recipe, runner, **named))
