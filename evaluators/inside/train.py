"""Training: inputs and targets in, weights at fixed steps out; whole, or from one step to another."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, autograd

from evoarch.evaluators.inside.augment import augmenter
from evoarch.evaluators.inside.build import (
    Announce,
    Reply,
    build,
    check_logits,
    materialise,
    outputs_of,
    state_of,
)
from evoarch.evaluators.inside.device import casting, device_of, in_full, placed
from evoarch.evaluators.inside.losses import gradient_of
from evoarch.evaluators.inside.optimisers import Average, clip, optimisers_of
from evoarch.evaluators.inside.resume import inherit, part_of, restore, snapshot
from evoarch.evaluators.inside.schedule import scheduler

CURVE_POINTS = 40
"""At most this many points of the training loss are noted."""


def train(
    genome: ModuleType | None, arrays: Mapping[str, Tensor], options: Mapping[str, Any], announce: Announce
) -> Reply:
    """Train a model on `arrays["inputs"]` (n, *shape) float32 and `arrays["targets"]`, (n,) int64 or
    (n, k) float32.

    `options`: entry, offers, kwargs, loss, recipe; optionally `start` and `stop`, the steps of the recipe
    (counted from 0) that are done here, by default all. From a `start` above 0 it goes on from the tensors
    `state/...` in `arrays`, which are `resume.snapshot`'s; at 0 it may begin with a parent's, `inherit/...`.

    The reply holds `<checkpoint>/<name>` for each tensor of the state dict, checkpoints counted from 0 among
    those that lie in the segment (a segment that stops early has one, at its end), and `state/...` where
    `stop` is not the recipe's end; the notes hold `ties` and `curve` (mean training loss over evenly cut
    stretches). Raises FloatingPointError as soon as the loss is not finite.
    """
    announce("build")
    model = build(genome, options).to(device_of(options))
    announce("train")
    recipe = options["recipe"]
    start, stop = options.get("start", 0), options.get("stop", recipe["steps"])
    arrays = placed(arrays, options)
    inputs, targets = arrays["inputs"], arrays["targets"]
    materialise(model, inputs[:2])
    inherit(model, part_of(arrays, "inherit/"))
    outputs = outputs_of(options)
    classes = outputs[-1] if options["loss"] == "next_token" else outputs[0]
    loss_of = gradient_of(options["loss"], recipe, targets, classes)
    optimisers = optimisers_of(model, recipe)
    before_step = [scheduler(optimiser, recipe, start) for optimiser in optimisers]
    augment, average = augmenter(recipe, inputs), Average(recipe.get("average", 0.0))
    # Its own generator: how often a model draws must not change which examples it sees; on the CPU, so that
    # they are the same on every device.
    order = torch.Generator().manual_seed(torch.initial_seed())
    batches = _batches(len(targets), min(recipe["batch"], len(targets)), stop, order)
    if start:
        restore(model, optimisers[0], part_of(arrays, "state/"), options)
    marks = {step: number for number, step in enumerate(_marks(recipe, start, stop))}
    tensors: dict[str, Tensor] = {}
    ties: dict[str, str] = {}
    losses: list[float] = []
    for step, drawn in enumerate(batches[start:], start=start):
        for set_rate, optimiser in zip(before_step, optimisers, strict=True):
            set_rate(step)
            optimiser.zero_grad(set_to_none=True)
        batch = drawn.to(inputs.device)
        x, y, others, share = augment(inputs.index_select(0, batch), targets.index_select(0, batch))
        with casting(options):
            logits = check_logits(model(x), len(batch), outputs)
        # Beside the model's graph: nothing that a model can hold leads to the targets.
        loss, gradient = loss_of(in_full(logits.detach()), y)
        if others is not None:
            loss_other, gradient_other = loss_of(in_full(logits.detach()), others)
            loss = share * loss + (1.0 - share) * loss_other
            gradient = share * gradient + (1.0 - share) * gradient_other
        losses.append(loss.item())
        if not math.isfinite(losses[-1]):
            raise FloatingPointError(f"the training loss became {losses[-1]} at step {step + 1}")
        autograd.backward(logits, gradient.to(logits.dtype))
        clip(model, recipe.get("clip", 0.0))
        for optimiser in optimisers:
            optimiser.step()
        average.take(model)
        if step + 1 in marks:
            state, ties = state_of(model)
            tensors |= {
                f"{marks[step + 1]}/{name}": value.to("cpu", copy=True)
                for name, value in average.of(state).items()
            }
    if stop < recipe["steps"]:
        tensors |= {f"state/{name}": value for name, value in snapshot(model, optimisers[0], options).items()}
    return tensors, {"ties": ties, "curve": curve(losses)}


def _marks(recipe: Mapping[str, Any], start: int, stop: int) -> list[int]:
    """After which steps weights are kept: the recipe's even spacing, in its last segment."""
    if stop < recipe["steps"]:
        return [stop]
    count = recipe["checkpoints"]
    return [mark for k in range(count) if (mark := recipe["steps"] * (k + 1) // count) > start]


def _batches(examples: int, size: int, steps: int, order: torch.Generator) -> list[Tensor]:
    """`steps` batches of indices; an incomplete last one of an epoch is dropped."""
    per_epoch = examples // size
    batches: list[Tensor] = []
    while len(batches) < steps:
        epoch = torch.randperm(examples, generator=order)
        batches.extend(torch.split(epoch[: per_epoch * size], size))
    return batches[:steps]


def curve(losses: list[float]) -> list[float]:
    """Means over evenly cut stretches, at most `CURVE_POINTS`."""
    width = max(1, math.ceil(len(losses) / CURVE_POINTS))
    parts = [losses[at : at + width] for at in range(0, len(losses), width)]
    return [round(sum(part) / len(part), 5) for part in parts]
