"""A recipe as a genome's own RECIPE changes it. Read from the source in the trusted process, never run."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from evoarch.evaluators.checks import input_shape
from evoarch.evaluators.task import Recipe, SupervisedTask
from evoarch.sandbox.recipe import read


def of_genome(recipe: Recipe, source: str) -> Recipe:
    """How `source` is trained under `recipe`, which stands where the genome says nothing, or may not.

    Raises ValueError for a RECIPE out of its bounds (sandbox.recipe), whatever vetting let through.
    """
    if not recipe.searched:
        return recipe
    own: dict[str, Any] = read(source)
    return replace(
        recipe,
        rate=recipe.rate * own.get("rate_factor", 1.0),
        batch=max(1, round(recipe.batch * own.get("batch_factor", 1.0))),
        weight_decay=float(own.get("weight_decay", recipe.weight_decay)),
        schedule=own.get("schedule", recipe.schedule),
    )


def augmentations(task: SupervisedTask) -> tuple[str, ...]:
    """What may change a training batch of `task` without changing what its targets mean."""
    if "vocab_size" in task.offers or task.loss == "masked_squared_error":
        return ()
    categories = task.offers.get("categories")
    plain = not (isinstance(categories, list | tuple) and any(categories))
    by_rank = {2: ("shift", "cutout"), 3: ("flip", "crop", "cutout")}.get(len(input_shape(task)), ())
    mixed = ("mixup",) if plain and task.loss != "pixel_cross_entropy" else ()
    return (*by_rank, *(("noise",) if plain else ()), *mixed)
