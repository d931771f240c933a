"""The bench: what measures a genome."""

from __future__ import annotations

from dataclasses import replace

from evoarch.agent.base.errors import UserError, nearest
from evoarch.evaluators.latency import Timing
from evoarch.evaluators.registry import Measuring
from evoarch.evaluators.task import Recipe, SupervisedTask, Task
from evoarch.sandbox.job import InteractiveRunner, Runner


def choose_recipe(task: Task, name: str) -> Recipe:
    if name not in task.recipes:
        raise UserError(
            f"recipe {name!r}: task {task.name} has no such recipe; {nearest(name, task.recipes)}"
        )
    return task.recipes[name]


def searched(task: Task, recipe: Recipe) -> Recipe:
    """`recipe`, which a genome's own RECIPE changes. Raises UserError for a task with its own training."""
    if not isinstance(task, SupervisedTask):
        raise UserError(
            "evaluation.recipe_search: expected a task that the common evaluator trains; "
            f"{task.name} brings its own training"
        )
    return replace(recipe, searched=True)


def refuse_untimed(key: str, task: Task, evaluator: Measuring, runner: Runner) -> None:
    """Raises UserError where latency, which `key` asks for, can't be measured."""
    if not isinstance(evaluator, Timing):
        raise UserError(f"{key}: expected a task of examples, got {task.name}: its latency can't be measured")
    if not isinstance(runner, InteractiveRunner):
        raise UserError(
            f"{key}: latency is measured on this machine's cores; expected no pool and no device but these"
        )
