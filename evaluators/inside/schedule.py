"""The learning rate at a step: a function of the step alone, so that training may stop and go on anywhere."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch.optim.lr_scheduler import LRScheduler, OneCycleLR

HELD = 0.25
"""The constant rate of the first rungs, as a share of the recipe's peak. Validation errors of the recipe
`fast` of MNIST-1D over its four baselines, two splits each, with `hold` at 40 and at 100 of 400 steps (one
plain cycle: 0.162):

    held  conv_base     gru           mlp           residual_cnn  mean
    0.25  0.098, 0.093  0.109, 0.142  0.377, 0.364  0.019, 0.018  0.151, 0.154
    0.5   0.081, 0.071  0.125, 0.132  0.388, 0.372  0.031, 0.027  0.156, 0.151
    1.0   0.139, 0.143  0.126, 0.121  0.439, 0.429  0.051, 0.056  0.189, 0.187
"""

RISE = 0.3
"""The share of the annealed rung in which the rate rises from the constant one to the peak."""


def scheduler(
    optimiser: torch.optim.Optimizer, recipe: Mapping[str, Any], start: int
) -> Callable[[int], None]:
    """What to call before each step (counted from 0); training begins at `start`.

    With `recipe["hold"]` steps held at a constant rate, the rest is annealed (`annealed`). Without, the
    recipe's own schedule: torch's OneCycleLR, or a constant rate. Raises ValueError for another name.
    """
    kind, peak = recipe["schedule"], recipe["rate"]
    if kind not in ("constant", "onecycle", "cosine"):
        raise ValueError(f"recipe.schedule: expected onecycle, cosine or constant, got {kind!r}")
    if kind == "cosine":
        return _cosine(optimiser, recipe)
    if kind == "constant":
        return lambda step: None
    if not recipe["hold"]:
        if start:
            raise ValueError(
                f"a onecycle schedule begins at step 0, got {start}; expected a recipe with hold"
            )
        cycle: LRScheduler = OneCycleLR(optimiser, max_lr=peak, total_steps=recipe["steps"])
        return lambda step: cycle.step() if step else None

    def set_rate(step: int) -> None:
        for group in optimiser.param_groups:
            group["lr"] = peak * annealed(step, recipe["hold"], recipe["steps"])

    return set_rate


def _cosine(optimiser: torch.optim.Optimizer, recipe: Mapping[str, Any]) -> Callable[[int], None]:
    """A linear rise over the share `recipe["warmup"]` of the steps, then half a cosine down to 0."""
    steps, peak = recipe["steps"], recipe["rate"]
    rise = round(recipe.get("warmup", 0.0) * steps)

    def set_rate(step: int) -> None:
        if step < rise:
            share = (step + 1) / rise
        else:
            share = 0.5 * (1.0 + math.cos(math.pi * (step - rise) / max(1, steps - rise)))
        for group in optimiser.param_groups:
            group["lr"] = peak * share

    return set_rate


def annealed(step: int, hold: int, steps: int) -> float:
    """The rate at `step` (from 0) as a share of the peak: `HELD` for `hold` steps, then a rise to 1 and a
    fall to 0 at `steps`, both along a half cosine.

    A constant rate first, since accuracies under one rank models as they end up; one cycle from there.
    """
    if step < hold:
        return HELD
    turn = hold + RISE * (steps - hold)
    if step < turn:
        return HELD + (1.0 - HELD) * 0.5 * (1.0 - math.cos(math.pi * (step - hold) / (turn - hold)))
    return 0.5 * (1.0 + math.cos(math.pi * (step - turn) / (steps - turn)))
