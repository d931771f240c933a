"""The identity of a function: what a model computes and learns from its own seeded initialisation."""

from __future__ import annotations

import hashlib
import json
import math
import random
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, autograd, nn

from evoarch.evaluators.inside.build import build, check_logits, materialise, outputs_of
from evoarch.evaluators.inside.losses import LOSSES
from evoarch.evaluators.inside.made_up import made_up_inputs, made_up_targets
from evoarch.evaluators.inside.state import named_state

SEED = 20230228
QUANTUM = 1e-7
"""Relative to each tensor's largest value: far above float64 rounding, far below a different function."""
SILENT = 1e-12
"""A gradient that is smaller everywhere is rounding around zero (a bias before a batch normalisation)."""
RATE = 0.1
STRETCH = 5.0
SCALES = (1.0, 1.0, 1.0, 3.0, 3.0, 10.0, 30.0, 100.0)
"""Examples of growing size, so that saturating and clipping functions show where they differ."""


def function_digest(genome: ModuleType | None, options: Mapping[str, Any]) -> str:
    """SHA-256 of outputs, gradients and parameters over two training steps in float64, and of RECIPE.

    Blind to names, to code that computes nothing, and to the order of sums. "" when unsure (the model
    can't run in float64, or draws numbers that the seed does not fix): then there is no duplicate.
    """
    usual = torch.get_default_dtype()
    try:
        torch.set_default_dtype(torch.float64)
        first = _trace(genome, options)
        again = _trace(genome, options)
    except Exception:  # noqa: BLE001 - whatever the genome raises in float64 alone is no failure of it
        return ""
    finally:
        torch.set_default_dtype(usual)
    return first if first == again else ""


def _trace(genome: ModuleType | None, options: Mapping[str, Any]) -> str:
    offers, outputs = options["offers"], outputs_of(options)
    draw = torch.Generator().manual_seed(SEED)
    scales = torch.tensor(SCALES).reshape(-1, *[1] * len(offers["input_shape"]))
    inputs = made_up_inputs(offers, len(SCALES), draw, scales)
    targets = made_up_targets(options["loss"], len(SCALES), outputs, draw)
    _reseed(SEED)
    model = build(genome, options).double()
    materialise(model, inputs[:2])
    parts = [json.dumps(getattr(genome, "RECIPE", None), sort_keys=True), _shared(model)]
    for step in range(2):
        # Seeded anew, so that layers which are made and never called do not change what dropout draws.
        _reseed(SEED + 1 + step)
        model.zero_grad()
        logits = check_logits(model(inputs), len(inputs), outputs)
        autograd.backward(LOSSES[options["loss"]](logits, targets))
        parts.append(_print(logits))
        parts.extend(_step(model))
    parts.extend(sorted(_print(value) for value in named_state(model).values()))
    model.eval()
    with torch.no_grad():
        parts.append(_print(model(inputs)))
        # Normalised activations stay small: stretched parameters reach where clipping functions clip.
        for parameter in model.parameters():
            parameter.mul_(STRETCH)
        parts.append(_print(torch.nan_to_num(model(inputs))))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _step(model: nn.Module) -> list[str]:
    """One step of plain descent; prints of every parameter's gradient, in an order free of names."""
    prints = []
    with torch.no_grad():
        for parameter in model.parameters():
            gradient = parameter.grad
            kind = "trained" if parameter.requires_grad else "frozen"
            if gradient is None:
                prints.append(f"{kind} {tuple(parameter.shape)} without gradient")
                continue
            prints.append(f"{kind} {_print(gradient)}")
            parameter.sub_(gradient, alpha=RATE)
    return sorted(prints)


def _shared(model: nn.Module) -> str:
    """How many names each parameter has: a tie and a copy start equal when the copy is made of it."""
    names = [id(p) for _, p in model.named_parameters(remove_duplicate=False)]
    return str(sorted(names.count(one) for one in set(names)))


def _print(value: Tensor) -> str:
    """Shape and values, rounded relative to the largest."""
    value = value.detach().to(torch.float64)
    largest = float(value.abs().max()) if value.numel() else 0.0
    if not math.isfinite(largest):
        raise FloatingPointError("numbers that are not finite tell no functions apart")
    if largest < SILENT:
        return f"{tuple(value.shape)} zero"
    # Adding 0.0 turns a negative zero into a positive one.
    steps = torch.round(value / (largest * QUANTUM)) + 0.0
    digest = hashlib.sha256(steps.contiguous().numpy().tobytes()).hexdigest()
    # The scale itself is printed coarsely: its last digits are rounding too.
    return f"{tuple(value.shape)} {largest:.6e} {digest}"


def _reseed(seed: int) -> None:
    torch.manual_seed(seed)
    random.seed(seed)
