"""`random`: an architecture drawn from the layer vocabulary, as a complete model file."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from evoarch.agent.lm.base import Complete
from evoarch.agent.operators.base import Draft, Order, operator, width
from evoarch.agent.operators.syntactic.view import completed
from evoarch.agent.operators.syntactic.vocabulary import (
    RATES,
    WIDTHS,
    activation,
    conv,
    layer,
    norm,
    pool,
    recurrent,
)
from evoarch.sandbox.parsing import parse

MAX_BLOCKS = 4
"""Most convolution blocks of one draw."""

_SHORTEST = 4
"""No block shortens a length (in positions) to less than this."""


@dataclass
class _Plan:
    """A model being written: `layers` are (attribute, source), `forward` the lines of the forward pass."""

    layers: list[tuple[str, str]] = field(default_factory=list)
    forward: list[str] = field(default_factory=list)

    def call(self, attribute: str, source: str) -> None:
        self.layers.append((attribute, source))
        self.forward.append(f"x = self.{attribute}(x)")

    def written(self, entry: str) -> str:
        lines = [f"        self.{attribute} = {source}" for attribute, source in self.layers]
        forward = [f"        {line}" for line in self.forward[:-1]]
        return "\n".join(
            [
                "import torch.nn as nn",
                "",
                "",
                f"class {entry}(nn.Module):",
                "    def __init__(self):",
                "        super().__init__()",
                *lines,
                "",
                "    def forward(self, x):",
                *forward,
                f"        return {self.forward[-1].removeprefix('x = ')}",
                "",
            ]
        )


def _sequence(parts: Sequence[str]) -> str:
    inner = "".join(f"            {part},\n" for part in parts)
    return f"nn.Sequential(\n{inner}        )"


def _block(
    rng: random.Random, width: int, rank: int, length: int, style: tuple[bool, str]
) -> tuple[list[str], int, int]:
    """One convolution block: its layers, the width that leaves it and the length."""
    normed, act = style
    new = rng.choice(WIDTHS)
    step = rng.choice((1, 2, 2)) if length >= 2 * _SHORTEST else 1
    kind = rng.choice(("plain", "plain", "separable", "residual")) if width > 1 else "plain"
    tail = [norm(rng, new, rank)] if normed else []
    if kind == "separable":
        parts = [
            conv(rng, width, width, rank, stride=step, groups=width),
            layer(f"Conv{rank}d", width, new, 1),
            *tail,
            act,
        ]
        length = -(-length // step)
    elif kind == "residual":
        new = width
        body = [conv(rng, width, width, rank), *([norm(rng, width, rank)] if normed else []), act]
        body.append(rng.choice((conv(rng, width, width, rank), layer(f"Conv{rank}d", width, width, 1))))
        parts = [f"Residual(nn.Sequential({', '.join(body)}))"]
    else:
        parts = [conv(rng, width, new, rank, stride=step), *tail, act]
        length = -(-length // step)
    if length >= 2 * _SHORTEST and rng.random() < 0.35:
        parts.append(pool(rng, rank))
        length //= 3 if "3)" in parts[-1] else 2
    if rng.random() < 0.15:
        parts.append(layer("Dropout", rng.choice(RATES[:4])))
    return parts, new, length


def _convolutional(rng: random.Random, plan: _Plan, shape: Sequence[int]) -> int:
    """Convolution blocks, sometimes with a recurrent layer between them, pooled; gives the width."""
    rank = 2 if len(shape) == 3 else 1
    width, length = (1, shape[0]) if len(shape) == 1 else (shape[0], min(shape[1:]))
    if len(shape) == 1:
        plan.forward.append("x = x.unsqueeze(1)")
    style = (rng.random() < 0.7, activation(rng))
    count = rng.randint(1, MAX_BLOCKS)
    recurrent_at = rng.randrange(count) if rank == 1 and rng.random() < 0.25 else -1
    for number in range(count):
        parts, width, length = _block(rng, width, rank, length, style)
        plan.call(f"block{number + 1}", _sequence(parts))
        if number == recurrent_at:
            both = rng.random() < 0.5
            hidden = rng.choice(WIDTHS[:6])
            plan.call("recurrent", f"Recurrent({recurrent(rng, width, hidden, bidirectional=both)})")
            width = hidden * (2 if both else 1)
    parts_kept = 1 if rank == 2 or rng.random() < 0.6 else min(length, rng.choice((2, 4, 5)))
    plan.call("pool", layer(f"Adaptive{rng.choice(('Avg', 'Avg', 'Max'))}Pool{rank}d", parts_kept))
    plan.forward.append("x = x.flatten(1)")
    return width * parts_kept


def _recurrent(rng: random.Random, plan: _Plan, length: int) -> int:
    """A recurrent layer over chunks of a one-dimensional input; gives the width."""
    chunk = rng.choice([size for size in (1, 2, 4, 5, 8) if length % size == 0])
    both, hidden = rng.random() < 0.6, rng.choice(WIDTHS)
    plan.layers.append(("recurrent", recurrent(rng, chunk, hidden, bidirectional=both)))
    plan.forward += [f"x = x.unflatten(1, (-1, {chunk}))", "x, _ = self.recurrent(x)"]
    width = hidden * (2 if both else 1)
    if rng.random() < 0.5:
        plan.forward.append(f"x = x.{rng.choice(('mean', 'amax'))}(1)")
        return width
    plan.forward.append("x = x.flatten(1)")
    return width * (length // chunk)


def _head(rng: random.Random, plan: _Plan, width: int, hidden: int) -> int:
    """Hidden layers on features; gives the width that leaves them."""
    for number in range(hidden):
        new = rng.choice(WIDTHS)
        parts = [layer("Linear", width, new), *([norm(rng, new, 0)] if rng.random() < 0.4 else [])]
        plan.call(f"hidden{number + 1}", _sequence([*parts, activation(rng)]))
        width = new
    return width


def draw(rng: random.Random, shape: Sequence[int], classes: int, entry: str = "Model") -> str:
    """A model file for inputs of `shape`: (length,), (channels, length) or (channels, height, width)."""
    plan = _Plan()
    family = rng.random() if len(shape) == 1 else 0.0
    if family < 0.75:
        width = _convolutional(rng, plan, shape)
        width = _head(rng, plan, width, rng.choice((0, 0, 0, 1)))
    elif family < 0.9:
        width = _recurrent(rng, plan, shape[0])
        width = _head(rng, plan, width, rng.choice((0, 0, 1)))
    else:
        width = _head(rng, plan, shape[0], rng.choice((1, 2, 3)))
    plan.call("linear", layer("Linear", width, classes))
    return completed(parse(plan.written(entry)))


@operator
class RandomDraw:
    """The operator: children without parents. Deterministic in (order, rng); needs no language model."""

    name = "random"
    arity = 0
    samples = 1

    async def propose(self, order: Order, rng: random.Random, complete: Complete | None) -> list[Draft]:
        """`order.count` drafts (see Operator.propose)."""
        shape, classes = order.offers.get("input_shape"), width(order.offers)
        if not isinstance(shape, tuple | list) or not 1 <= len(shape) <= 3 or classes is None:
            problem = f"expected offers input_shape (1 to 3 sizes) and num_classes, got {dict(order.offers)}"
            return [Draft("", problem=problem) for _ in range(order.count)]
        sizes = [int(size) for size in shape]
        return [
            Draft(draw(rng, sizes, classes, order.entry), change="drawn from the layer vocabulary")
            for _ in range(order.count)
        ]
