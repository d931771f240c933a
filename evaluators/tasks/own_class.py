"""A user's own task by path: `my_task.py:MyTask`. The file is the user's, and is trusted."""

from __future__ import annotations

import difflib
import hashlib
import importlib.util
import math
import sys
import traceback
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import ModuleType
from typing import cast

from evoarch.evaluators.checks import input_shape, offered, outputs
from evoarch.evaluators.fit import fit_file, fit_source
from evoarch.evaluators.registry import OwnTask
from evoarch.evaluators.task import Recipe, SupervisedTask, Task, TaskError

NEEDED = ("name", "offers", "loss", "recipes", "seeds", "ceiling", "splits")


def own_task(name: str, path: Path, wanted: str) -> Task:
    """The class `wanted` of the file at `path`, instantiated without arguments and looked over.

    `name` is what messages call it. Raises TaskError, one line, for a file or a class that is not there or
    does not hold; the data themselves are looked at when they are asked for.
    """
    module = _module(path)
    made = getattr(module, wanted, None)
    if not isinstance(made, type):
        known = [
            n for n, v in vars(module).items() if isinstance(v, type) and v.__module__ == module.__name__
        ]
        raise TaskError(f"{path}: expected a class {wanted!r}, got none; {_nearest(wanted, known)}")
    try:
        task = made()
    except Exception as error:  # noqa: BLE001 - a user's own code may raise anything, and is named
        raise TaskError(f"{path}: {wanted}(): {_said(error, path)}") from None
    # By its class: a check of the instance would run properties that may raise.
    if hasattr(made, "program") and hasattr(made, "evaluator"):
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
            raise TaskError(f"{path}: {wanted}.{part}: expected, but it is not there; {hint}") from None
        except Exception as error:  # noqa: BLE001 - a user's own code may raise anything, and is named
            raise TaskError(f"{path}: {wanted}.{part}: {_said(error, path)}") from None
    assert isinstance(task, SupervisedTask)
    _look_over(task, path, wanted)
    return task


def _look_over(task: SupervisedTask, path: Path, wanted: str) -> None:
    input_shape(task)
    outputs(task)
    recipes: object = task.recipes
    if not isinstance(recipes, Mapping) or not recipes:
        raise TaskError(f"{path}: {wanted}.recipes: expected a dict of recipes by name, got {recipes!r}")
    for key, recipe in recipes.items():
        if not isinstance(recipe, Recipe):
            raise TaskError(f"{path}: {wanted}.recipes[{key!r}]: expected an evoarch.Recipe, got {recipe!r}")
        if problem := _unusable(recipe):
            raise TaskError(f"{path}: {wanted}.recipes[{key!r}]: {problem}")
    if not isinstance(task.ceiling, int | float) or not 0 < task.ceiling <= 1:
        raise TaskError(f"{path}: {wanted}.ceiling: expected an error in (0, 1], got {task.ceiling!r}")
    if fit := fit_file(task):
        fit_source(fit)


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


def _module(path: Path) -> ModuleType:
    """The file as a module of its own, once for each text; it may import from its folder."""
    try:
        text = path.read_bytes()
    except OSError as error:
        raise TaskError(f"{path}: expected the file of a task: {error.strerror}") from None
    key = hashlib.sha256(f"{path.resolve()}\n".encode() + text).hexdigest()[:16]
    name = f"evoarch_own_{path.stem}_{key}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    folder = str(path.resolve().parent)
    if folder not in sys.path:
        sys.path.append(folder)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # noqa: BLE001 - a user's own code may raise anything, and is named
        del sys.modules[name]
        raise TaskError(f"{path}: {_said(error, path)}") from None
    return module


def _said(error: Exception, path: Path) -> str:
    frames = [f.lineno for f in traceback.extract_tb(error.__traceback__) if Path(f.filename) == path]
    line = getattr(error, "lineno", None) or (frames[-1] if frames else None)
    message = " ".join(str(error).split())
    return f"{f'line {line}: ' if line else ''}{type(error).__name__}: {message}"


def _nearest(word: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.0)
    return f"nearest is {near[0]!r}" if near else "it defines no class"
