"""The dry run: a few examples forward and backward, before anything is spent on training."""

from __future__ import annotations

import random
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, autograd, nn

from evoarch.evaluators.inside.build import (
    Announce,
    Reply,
    build,
    check_logits,
    materialise,
    outputs_of,
    state_of,
)
from evoarch.evaluators.inside.device import casting, device_of
from evoarch.evaluators.inside.digest import function_digest
from evoarch.evaluators.inside.flops import count_flops
from evoarch.evaluators.inside.layers import layer_table
from evoarch.evaluators.inside.losses import LOSSES
from evoarch.evaluators.inside.lost_state import refuse_lost_state
from evoarch.evaluators.inside.made_up import made_up_inputs, made_up_targets
from evoarch.evaluators.inside.trace import trace_of

BATCHES = (4, 7)
"""Two sizes that share no factor: a model that bakes the batch into a reshape fails on one of them."""

CHANCES = 8
"""Further batches for a parameter that no gradient reached: a layer may be skipped at random."""


def dry_run(
    genome: ModuleType | None, arrays: Mapping[str, Tensor], options: Mapping[str, Any], announce: Announce
) -> Reply:
    """Build, forward in both modes, backward; untrained weights out.

    The notes hold `ties`, `function_digest`, `layers`, `trace` where there is one, `unreached` (trainable
    parameters that no gradient reaches), and `flops` of one example, or `no_flops` with the reason why there
    is no count.

    All on the device that a training will have, but for the digest: whether two genomes compute the same is
    asked on the CPU alone.

    `options`: entry, offers, kwargs, loss. Raises what the genome raises, TypeError or ValueError for an
    output of a wrong type or shape, or state that prediction would lack, FloatingPointError for numbers that
    are not finite.
    """
    announce("build")
    device = device_of(options)
    drawn = random.getstate(), torch.get_rng_state()
    model = build(genome, options).to(device)
    announce("dry_run")
    offers, outputs = options["offers"], outputs_of(options)
    draw = torch.Generator().manual_seed(0)
    inputs = made_up_inputs(offers, sum(BATCHES), draw).to(device)
    targets = made_up_targets(options["loss"], sum(BATCHES), outputs, draw).to(device)
    materialise(model, inputs[:2])
    unreached = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    for x, y in zip(torch.split(inputs, list(BATCHES)), torch.split(targets, list(BATCHES)), strict=True):
        model.zero_grad()
        with casting(options):
            logits = check_logits(model(x), len(x), outputs)
            loss = LOSSES[options["loss"]](logits, y)
        if not torch.isfinite(logits).all():
            raise FloatingPointError("forward returned logits that are not finite")
        if not logits.requires_grad:
            raise ValueError("no gradient reaches any parameter: the logits do not depend on them")
        autograd.backward(loss)
        unreached -= _check_gradients(model)
    for _ in range(CHANCES if unreached else 0):
        logits = model(made_up_inputs(offers, BATCHES[0], draw).to(device))
        autograd.backward(LOSSES[options["loss"]](logits, targets[: BATCHES[0]]))
        unreached -= {name for name, parameter in model.named_parameters() if parameter.grad is not None}
    model.eval()
    with torch.no_grad():
        for x in torch.split(inputs, list(BATCHES)):
            check_logits(model(x), len(x), outputs)
    state, ties = state_of(model)
    _refuse_lost_state(genome, model, inputs[: BATCHES[0]], options, drawn)
    tensors = {name: value.clone() for name, value in state.items()}
    notes = {
        "ties": ties,
        "function_digest": function_digest(genome, options),
        "unreached": sorted(unreached),
    }
    few = inputs[: BATCHES[0]]
    told = {"layers": layer_table(model, few), **_flops(model, few), **_trace(model, few[:2])}
    return tensors, {**notes, **told}


def _refuse_lost_state(
    genome: ModuleType | None,
    model: nn.Module,
    inputs: Tensor,
    options: Mapping[str, Any],
    drawn: tuple[Any, Tensor],
) -> None:
    """Builds the model once more from what was drawn for the first, as a prediction does."""
    now = random.getstate(), torch.get_rng_state()
    random.setstate(drawn[0])
    torch.set_rng_state(drawn[1])
    fresh = build(genome, options).to(inputs.device)
    materialise(fresh, inputs[:2])
    random.setstate(now[0])
    torch.set_rng_state(now[1])
    refuse_lost_state(model, fresh, inputs)


def initial_state(
    genome: ModuleType | None, arrays: Mapping[str, Tensor], options: Mapping[str, Any], announce: Announce
) -> Reply:
    """The untrained weights alone, for a genome whose dry run was another process's."""
    announce("build")
    model = build(genome, options).to(device_of(options))
    materialise(model, torch.zeros(2, *options["offers"]["input_shape"]).to(device_of(options)))
    return dict(state_of(model)[0]), {}


def _flops(model: nn.Module, inputs: Tensor) -> dict[str, Any]:
    try:
        return {"flops": count_flops(model, inputs)}
    except Exception as error:  # noqa: BLE001 - whatever a sound genome does that can't be counted: it has no count
        return {"no_flops": str(error) or type(error).__name__}


def _trace(model: nn.Module, inputs: Tensor) -> dict[str, Any]:
    try:
        return {"trace": trace_of(model, inputs)}
    except Exception:  # noqa: BLE001 - what a sound genome does may not be traceable: it has no trace
        return {}


def _check_gradients(model: nn.Module) -> set[str]:
    """The parameters that a gradient reaches, if it is zero there: a layer that begins at zero gives nothing
    back at first, and is none the less used.
    """
    reached, moved = set(), False
    for name, parameter in model.named_parameters():
        if parameter.grad is None:
            continue
        if not torch.isfinite(parameter.grad).all():
            raise FloatingPointError(f"the gradient of {name} is not finite")
        reached.add(name)
        moved = moved or bool(parameter.grad.any())
    if not moved:
        raise ValueError("no gradient reaches any parameter: all are zero or missing")
    return reached
