"""A user's model before it becomes a seed: what its answers are made of, and what it computes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from evoarch.evaluators.inside.build import Announce, Reply, build, materialise, outputs_of
from evoarch.evaluators.inside.made_up import made_up_inputs
from evoarch.evaluators.inside.measure import measured

EXAMPLES = 4
_DEEPEST = 3


def answers(
    genome: ModuleType | None, arrays: Mapping[str, Tensor], options: Mapping[str, Any], announce: Announce
) -> Reply:
    """The notes hold `kind`, the type of a model's answer, and `picks`: the texts that take tensors of the
    right shape out of it, such as `[0]`, `['logits']` or `.logits`.
    """
    announce("build")
    model = build(genome, options)
    announce("dry_run")
    inputs = made_up_inputs(options["offers"], EXAMPLES, torch.Generator().manual_seed(0))
    materialise(model, inputs[:2])
    with torch.no_grad():
        found = model(inputs)
    wanted = (EXAMPLES, *outputs_of(options))
    picks = [path for path, shape in _tensors(found, "", 0) if shape == wanted]
    return {}, {"kind": type(found).__name__, "picks": picks[:10]}


def proof(
    genome: ModuleType | None, arrays: Mapping[str, Tensor], options: Mapping[str, Any], announce: Announce
) -> Reply:
    """What measure.measured says of the genome's model."""
    announce("build")
    return measured(lambda: build(genome, options), options["offers"]), {}


def _tensors(value: Any, path: str, depth: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    if isinstance(value, Tensor):
        yield path, tuple(value.shape)
    elif depth < _DEEPEST:
        if hasattr(value, "__dataclass_fields__"):
            parts = [(f".{name}", getattr(value, name)) for name in value.__dataclass_fields__]
        elif isinstance(value, Mapping):
            parts = [(f"[{key!r}]", item) for key, item in value.items() if isinstance(key, str | int)]
        elif isinstance(value, list | tuple):
            parts = [(f"[{number}]", item) for number, item in enumerate(value)]
        else:
            return
        for name, item in parts:
            yield from _tensors(item, path + name, depth + 1)
