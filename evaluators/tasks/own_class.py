"""A user's own task, by path (`my_task.py:MyTask`) or from an installed package. Its class is trusted."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import cast

from evoarch.evaluators.checks import input_shape, offered, outputs
from evoarch.evaluators.errors import PartError
from evoarch.evaluators.fit import fit_file, fit_source
from evoarch.evaluators.metrics.registry import metrics_of
from evoarch.evaluators.own_code import Found, made, said
from evoarch.evaluators.registry import OwnTask
from evoarch.evaluators.task import Recipe, SupervisedTask, Task, TaskError

NEEDED = ("name", "offers", "loss", "recipes", "seeds", "ceiling", "splits")


def own_task(found: Found) -> Task:
    """The task that was found, made without arguments and looked over.

    Raises TaskError, one line, for what is no task or does not hold; the data themselves are looked at when
    they are asked for.
    """
    wanted = found.value.__name__ if isinstance(found.value, type) else found.name.rpartition(":")[2]
    place = f"{found.origin}: {wanted}"
    if not isinstance(found.value, type):
        raise TaskError(f"{found.origin}: expected a class {wanted!r}, got {found.value!r}")
    try:
        task = made(found)
    except PartError as error:
        raise TaskError(str(error)) from None
    # By its class: a check of the instance would run properties that may raise.
    if hasattr(found.value, "program") and hasattr(found.value, "evaluator"):
        return cast(OwnTask, task)
    for part in NEEDED:
        try:
            getattr(task, part)
            if part == "offers":
                offered(cast(Task, task))  # what follows may be told from it
        except TaskError:
            raise
        except AttributeError:
            hint = "evoarch.DataTask as its base gives all but offers and splits"
            raise TaskError(f"{place}.{part}: expected, but it is not there; {hint}") from None
        except Exception as error:  # noqa: BLE001 - a user's own code may raise anything, and is named
            raise TaskError(f"{place}.{part}: {said(error, found.path)}") from None
    assert isinstance(task, SupervisedTask)
    _look_over(task, place)
    return task


def _look_over(task: SupervisedTask, place: str) -> None:
    input_shape(task)
    outputs(task)
    recipes: object = task.recipes
    if not isinstance(recipes, Mapping) or not recipes:
        raise TaskError(f"{place}.recipes: expected a dict of recipes by name, got {recipes!r}")
    for key, recipe in recipes.items():
        if not isinstance(recipe, Recipe):
            raise TaskError(f"{place}.recipes[{key!r}]: expected an evoarch.Recipe, got {recipe!r}")
        if problem := _unusable(recipe):
            raise TaskError(f"{place}.recipes[{key!r}]: {problem}")
    if not isinstance(task.ceiling, int | float) or not 0 < task.ceiling <= 1:
        raise TaskError(f"{place}.ceiling: expected an error in (0, 1], got {task.ceiling!r}")
    if fit := fit_file(task):
        fit_source(fit)
    metrics_of(task)


def _unusable(recipe: Recipe) -> str:
    """What a recipe can't be trained by, "" where it can."""
    for name in ("steps", "batch", "checkpoints"):
        count: object = getattr(recipe, name)
        if type(count) is not int or count < 1:
            return f"{name}: expected an integer of at least 1, got {count!r}"
    if recipe.checkpoints > recipe.steps:
        return f"checkpoints: expected at most its {recipe.steps} steps, got {recipe.checkpoints}"
    rate: object = recipe.rate
    if not isinstance(rate, int | float) or not 0 < rate < math.inf:
        return f"rate: expected a finite number above 0, got {rate!r}"
    return ""
