"""Answers to one question at a time, which the parent times, and the same answers without a clock."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from evoarch.evaluators.inside.build import Announce, Reply, build, check_logits, materialise, outputs_of
from evoarch.evaluators.inside.device import device_of
from evoarch.evaluators.inside.made_up import made_up_inputs

SHAKE = 0.02
"""Standard deviation of what is added to every parameter: a layer that begins at zero answers all alike."""


def serve(
    genome: ModuleType | None,
    arrays: Mapping[str, Tensor],
    options: Mapping[str, Any],
    announce: Announce,
    take: int,
    give: int,
) -> Reply:
    """Reads inputs (batch, *shape) and writes logits (batch, outputs), float32, until `take` is at its end.

    `options`: entry, offers, kwargs, batch. The model is untrained, its parameters shaken; two children of
    one genome and seed have the same.
    """
    model, shape = shaken(genome, options, announce)
    size, outputs, device = 4 * math.prod(shape), outputs_of(options), device_of(options)
    with torch.no_grad():
        while len(question := _read(take, size)) == size:
            inputs = _typed(torch.frombuffer(question, dtype=torch.float32), options)
            inputs = inputs.reshape(shape).to(device)
            logits = check_logits(model(inputs), shape[0], outputs).to("cpu", torch.float32)
            _write(give, logits.contiguous().numpy().tobytes())
    return {}, {}


def answer(
    genome: ModuleType | None, arrays: Mapping[str, Tensor], options: Mapping[str, Any], announce: Announce
) -> Reply:
    """Logits (n, batch, outputs) of `arrays["inputs"]` (n, batch, *shape), by the model that `serve` has."""
    model, shape = shaken(genome, options, announce)
    outputs = outputs_of(options)
    with torch.no_grad():
        inputs = _typed(arrays["inputs"], options).to(device_of(options))
        parts = [check_logits(model(x), shape[0], outputs).to("cpu", torch.float32) for x in inputs]
    return {"logits": torch.stack(parts)}, {}


def _typed(inputs: Tensor, options: Mapping[str, Any]) -> Tensor:
    """The numbers as a model gets them: tokens are integers."""
    return inputs.long() if "vocab_size" in options["offers"] else inputs


def shaken(
    genome: ModuleType | None, options: Mapping[str, Any], announce: Announce
) -> tuple[nn.Module, tuple[int, ...]]:
    """The untrained model, its parameters a little off their start, and the shape of a question."""
    announce("build")
    model = build(genome, options).to(device_of(options))
    announce("predict")
    shape = (options["batch"], *options["offers"]["input_shape"])
    draw = torch.Generator().manual_seed(torch.initial_seed())
    materialise(model, made_up_inputs(options["offers"], 2, draw).to(device_of(options)))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=draw).to(parameter.device), alpha=SHAKE)
    return model.eval(), shape


def _read(fd: int, size: int) -> bytearray:
    """`size` bytes, or fewer where the other end is closed."""
    got = bytearray()
    while len(got) < size and (part := os.read(fd, size - len(got))):
        got += part
    return got


def _write(fd: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(fd, rest) :]
