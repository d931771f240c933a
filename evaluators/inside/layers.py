"""The layer table: what each layer puts out, holds and computes, as the child says it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from evoarch.evaluators.inside.flops import Counter

MOST = 200
"""Layers that a table lists."""


def layer_table(model: nn.Module, inputs: Tensor) -> list[dict[str, Any]]:
    """A row per innermost module, in the order of their first call, and a last one, named "", for the whole.

    `shape` is of the output without the batch, `params` the elements of its own trainable tensors, `flops`
    are of one example in training mode, as evaluators.inside.flops counts. `inputs` are (n, *shape), n > 1
    for the layers that normalise over the batch.
    Empty where counting fails: a table is no reason to refuse a genome.
    """
    try:
        return _table(model, inputs)
    except Exception:  # noqa: BLE001 - the counter may not know what a sound genome does
        return []


def _table(model: nn.Module, inputs: Tensor) -> list[dict[str, Any]]:
    leaves = {name: module for name, module in model.named_modules() if name and not [*module.children()]}
    shapes: dict[str, list[int]] = {}

    def seen(name: str) -> Callable[[nn.Module, object, object], None]:
        def hook(_module: nn.Module, _inputs: object, out: object) -> None:
            shapes.setdefault(name, _shape(out))

        return hook

    handles = [module.register_forward_hook(seen(name)) for name, module in leaves.items()]
    try:
        model.train()
        with torch.no_grad(), Counter() as counter:
            model(inputs)
    finally:
        for handle in handles:
            handle.remove()
    counts = counter.get_flop_counts()
    prefix = type(model).__name__
    rows = [
        {
            "name": name,
            "kind": type(leaves[name]).__name__,
            "shape": shape,
            "params": _params(leaves[name]),
            "flops": sum(counts.get(f"{prefix}.{name}", {}).values()) // len(inputs),
        }
        for name, shape in [*shapes.items()][:MOST]
    ]
    whole = counter.get_total_flops() // len(inputs)
    return [*rows, {"name": "", "kind": prefix, "shape": [], "params": _params(model), "flops": whole}]


def _shape(out: object) -> list[int]:
    while isinstance(out, tuple | list) and out:
        out = out[0]
    return list(out.shape[1:]) if isinstance(out, Tensor) else []


def _params(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters() if p.requires_grad)
