"""The dry run: a few examples forward and backward, before anything is spent on training."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, autograd, nn

from evaluators.inside.build import Announce, Reply, build, check_logits, materialise, state_of
from evaluators.inside.digest import function_digest
from evaluators.inside.layers import layer_table
from evaluators.inside.losses import LOSSES

BATCHES = (4, 7)
"""Two sizes that share no factor: a model that bakes the batch into a reshape fails on one of them."""


def dry_run(
    genome: ModuleType | None, arrays: Mapping[str, Tensor], options: Mapping[str, Any], announce: Announce
) -> Reply:
    """Build, forward in both modes, backward; untrained weights, `ties`, `function_digest`, `layers` out.

    `options`: entry, offers, kwargs, loss. Raises what the genome raises, TypeError or ValueError for an
    output of a wrong type or shape, FloatingPointError for numbers that are not finite.
    """
    announce("build")
    model = build(genome, options)
    announce("dry_run")
    shape, classes = options["offers"]["input_shape"], options["offers"]["num_classes"]
    draw = torch.Generator().manual_seed(0)
    inputs = torch.randn(sum(BATCHES), *shape, generator=draw)
    targets = torch.randint(classes, (sum(BATCHES),), generator=draw)
    materialise(model, inputs[:2])
    for x, y in zip(torch.split(inputs, list(BATCHES)), torch.split(targets, list(BATCHES)), strict=True):
        model.zero_grad()
        logits = check_logits(model(x), len(x), classes)
        if not torch.isfinite(logits).all():
            raise FloatingPointError("forward returned logits that are not finite")
        if not logits.requires_grad:
            raise ValueError("no gradient reaches any parameter: the logits do not depend on them")
        autograd.backward(LOSSES[options["loss"]](logits, y))
        _check_gradients(model)
    model.eval()
    with torch.no_grad():
        for x in torch.split(inputs, list(BATCHES)):
            check_logits(model(x), len(x), classes)
    state, ties = state_of(model)
    tensors = {name: value.clone() for name, value in state.items()}
    notes = {"ties": ties, "function_digest": function_digest(genome, options)}
    return tensors, {**notes, "layers": layer_table(model, inputs[: BATCHES[0]])}


def _check_gradients(model: nn.Module) -> None:
    reached = False
    for name, parameter in model.named_parameters():
        if parameter.grad is None:
            continue
        if not torch.isfinite(parameter.grad).all():
            raise FloatingPointError(f"the gradient of {name} is not finite")
        reached = reached or bool(parameter.grad.any())
    if not reached:
        raise ValueError("no gradient reaches any parameter: all are zero or missing")
