"""Examples drawn at random, on which a model is tried before it sees any data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor


def made_up_inputs(
    offers: Mapping[str, Any], count: int, draw: torch.Generator, scales: Tensor | float = 1.0
) -> Tensor:
    """Inputs of `count` examples, stretched by `scales`; a table's columns of category codes hold codes;
    tokens of a language model are integers.
    """
    if "vocab_size" in offers:
        return torch.randint(offers["vocab_size"], (count, *offers["input_shape"]), generator=draw)
    inputs = torch.randn(count, *offers["input_shape"], generator=draw) * scales
    for column, size in enumerate(offers.get("categories", ())):
        if size:
            inputs[:, column] = torch.randint(size, (count,), generator=draw).to(inputs.dtype)
    return inputs


def made_up_targets(loss: str, count: int, outputs: tuple[int, ...], draw: torch.Generator) -> Tensor:
    """Targets of `count` examples for a loss, `outputs` being the shape of what a model returns of one."""
    if loss in ("mean_squared_error", "masked_squared_error"):
        return torch.randn(count, *outputs, generator=draw)
    if loss == "pixel_cross_entropy":
        return torch.randint(outputs[0], (count, *outputs[1:]), generator=draw)
    return torch.randint(outputs[-1], (count, *outputs[:-1]), generator=draw)
