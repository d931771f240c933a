"""The identity of a message function or processor: what it computes and learns on made-up numbers."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from evoarch.evaluators.inside.build import build
from evoarch.evaluators.inside.digest import SEED, _print, _reseed, _shared, _step
from evoarch.evaluators.inside.state import named_state

SCALES = (1.0, 1.0, 3.0, 10.0, 30.0)
NODES = 4


def function_digest(genome: ModuleType | None, options: Mapping[str, Any]) -> str:
    """SHA-256 of outputs, gradients and parameters over two steps in float64; "" when unsure."""
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


def arguments(
    scope: str, hidden: int, examples: int, nodes: int, draw: torch.Generator
) -> tuple[Tensor, ...]:
    """What a genome's forward gets, drawn at random, in the default type."""
    edges = torch.randn(examples, nodes, nodes, hidden, generator=draw)
    graph = torch.randn(examples, hidden, generator=draw)
    if scope == "message":
        return torch.randn(examples, nodes, 2 * hidden, generator=draw), edges, graph
    node = torch.randn(examples, nodes, hidden, generator=draw)
    joined = torch.rand(examples, nodes, nodes, generator=draw) < 0.5
    adjacency = (joined | joined.transpose(1, 2) | torch.eye(nodes, dtype=torch.bool)).to(node.dtype)
    return node, edges, graph, adjacency, torch.randn(examples, nodes, hidden, generator=draw)


def _trace(genome: ModuleType | None, options: Mapping[str, Any]) -> str:
    draw = torch.Generator().manual_seed(SEED)
    scope, hidden = options["scope"], options["recipe"]["hidden"]
    given = arguments(scope, hidden, len(SCALES), NODES, draw)
    # The adjacency stays what it is: zeros and ones.
    scale = torch.tensor(SCALES)
    given = tuple(
        x if scope == "processor" and place == 3 else x * scale.view(-1, *[1] * (x.dim() - 1))
        for place, x in enumerate(given)
    )
    _reseed(SEED)
    model = build(genome, options).double()
    parts = [scope]
    for step in range(2):
        _reseed(SEED + 1 + step)
        returned = model(*given)
        outputs = [x for x in (returned if isinstance(returned, tuple) else (returned,)) if x is not None]
        if not step:
            parts.append(_shared(model))
            weights = [torch.randn(x.shape, generator=draw) for x in outputs]
        model.zero_grad()
        torch.stack([(x * w).sum() for x, w in zip(outputs, weights, strict=True)]).sum().backward()  # type: ignore[no-untyped-call]
        parts.extend(_print(x) for x in outputs)
        parts.extend(_step(model))
    parts.extend(sorted(_print(value) for value in named_state(model).values()))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
