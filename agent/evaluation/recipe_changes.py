"""[recipe]: what a campaign changes of its task's recipe, checked against the task beforehand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from evoarch.agent.base.errors import UserError
from evoarch.agent.config.load import Config
from evoarch.agent.config.measuring import RecipeTable
from evoarch.agent.evaluation.external_trainer import trains_by_command
from evoarch.evaluators.fit import fit_file
from evoarch.evaluators.recipe import augmentations
from evoarch.evaluators.task import Recipe, SupervisedTask, Task

NUMBERS = ("mean_squared_error", "masked_squared_error")
CLASSES = ("cross_entropy", "pixel_cross_entropy")


def changed(recipe: Recipe, config: Config, task: Task) -> Recipe:
    """`recipe` as [recipe] changes it. Raises UserError where the task's training can't do what it says."""
    table = config.recipe
    if table == RecipeTable():
        return recipe
    own = trains_by_command(config, task) or not isinstance(task, SupervisedTask) or fit_file(task)
    if own or not isinstance(task, SupervisedTask):
        raise UserError(f"[recipe]: expected none, as {task.name} is trained by a loop of its own")
    if config.evaluation.rungs:
        raise UserError(
            "[recipe]: expected none beside evaluation.rungs, whose pauses keep AdamW's state alone"
        )
    schedule = table.schedule or recipe.schedule
    if table.warmup and schedule != "cosine":
        raise UserError(f'recipe.warmup: expected schedule = "cosine" beside it, got "{schedule}"')
    if table.label_smoothing and task.loss in NUMBERS:
        raise UserError(f"recipe.label_smoothing: expected a task of classes, got the loss {task.loss}")
    if table.class_weights != "none" and task.loss not in CLASSES:
        raise UserError(f"recipe.class_weights: expected a task of classes, got the loss {task.loss}")
    fitting = augmentations(task)
    for name in table.augment:
        if name not in fitting or table.augment.count(name) > 1:
            known = f"each once of {', '.join(fitting)}" if fitting else "none"
            raise UserError(f"recipe.augment: expected {known} for {task.name}, got {name!r}")
    said: dict[str, Any] = table.model_dump(exclude={"rate_factor", "optimiser", "schedule"})
    return replace(
        recipe,
        **said,
        rate=recipe.rate * table.rate_factor,
        optimiser=table.optimiser or recipe.optimiser,
        schedule=schedule,
    )
