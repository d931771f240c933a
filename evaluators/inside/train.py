"""Training: inputs and targets in, weights at fixed steps out."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, autograd, nn
from torch.optim.lr_scheduler import LRScheduler, OneCycleLR

from evaluators.inside.build import Announce, Reply, build, check_logits, materialise, state_of
from evaluators.inside.losses import LOSSES

CURVE_POINTS = 40
"""At most this many points of the training loss are noted."""


def train(
    genome: ModuleType | None, arrays: Mapping[str, Tensor], options: Mapping[str, Any], announce: Announce
) -> Reply:
    """Train a fresh model on `arrays["inputs"]` (n, *shape) float32 and `arrays["targets"]` (n,) int64.

    `options`: entry, offers, kwargs, loss, recipe. The reply holds `<checkpoint>/<name>` for each tensor of
    the state dict, checkpoints counted from 0; the notes hold `ties` and `curve` (mean training loss over
    evenly cut stretches). Raises FloatingPointError as soon as the loss is not finite.
    """
    announce("build")
    model = build(genome, options)
    announce("train")
    recipe = options["recipe"]
    inputs, targets = arrays["inputs"], arrays["targets"]
    materialise(model, inputs[:2])
    classes = options["offers"]["num_classes"]
    loss_of = LOSSES[options["loss"]]
    optimiser = _optimiser(model, recipe)
    schedule = _schedule(optimiser, recipe)
    # Its own generator: how often a model draws must not change which examples it sees.
    order = torch.Generator().manual_seed(torch.initial_seed())
    batches = _batches(len(targets), min(recipe["batch"], len(targets)), recipe["steps"], order)
    marks = {recipe["steps"] * (k + 1) // recipe["checkpoints"]: k for k in range(recipe["checkpoints"])}
    tensors: dict[str, Tensor] = {}
    ties: dict[str, str] = {}
    losses: list[float] = []
    for step, batch in enumerate(batches, start=1):
        optimiser.zero_grad(set_to_none=True)
        logits = check_logits(model(inputs.index_select(0, batch)), len(batch), classes)
        loss = loss_of(logits, targets.index_select(0, batch))
        losses.append(loss.item())
        if not math.isfinite(losses[-1]):
            raise FloatingPointError(f"the training loss became {losses[-1]} at step {step}")
        autograd.backward(loss)
        optimiser.step()
        if schedule is not None:
            schedule.step()
        if step in marks:
            state, ties = state_of(model)
            tensors |= {f"{marks[step]}/{name}": value.clone() for name, value in state.items()}
    return tensors, {"ties": ties, "curve": _curve(losses)}


def _optimiser(model: nn.Module, recipe: Mapping[str, Any]) -> torch.optim.Optimizer:
    if recipe["optimiser"] != "adamw":
        raise ValueError(f"recipe.optimiser: expected adamw, got {recipe['optimiser']!r}")
    parameters = [p for p in model.parameters() if p.requires_grad]
    if not parameters:
        raise ValueError("the model has no trainable parameter")
    fused = all(p.is_floating_point() for p in parameters)
    rate, decay = recipe["rate"], recipe["weight_decay"]
    return torch.optim.AdamW(parameters, lr=rate, weight_decay=decay, fused=fused)


def _schedule(optimiser: torch.optim.Optimizer, recipe: Mapping[str, Any]) -> LRScheduler | None:
    if recipe["schedule"] == "constant":
        return None
    if recipe["schedule"] != "onecycle":
        raise ValueError(f"recipe.schedule: expected onecycle or constant, got {recipe['schedule']!r}")
    return OneCycleLR(optimiser, max_lr=recipe["rate"], total_steps=recipe["steps"])


def _batches(examples: int, size: int, steps: int, order: torch.Generator) -> list[Tensor]:
    """`steps` batches of indices; an incomplete last one of an epoch is dropped."""
    per_epoch = examples // size
    batches: list[Tensor] = []
    while len(batches) < steps:
        epoch = torch.randperm(examples, generator=order)
        batches.extend(torch.split(epoch[: per_epoch * size], size))
    return batches[:steps]


def _curve(losses: list[float]) -> list[float]:
    width = max(1, math.ceil(len(losses) / CURVE_POINTS))
    parts = [losses[at : at + width] for at in range(0, len(losses), width)]
    return [round(sum(part) / len(part), 5) for part in parts]
