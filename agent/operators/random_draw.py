"""`random`: an architecture drawn from the layer vocabulary, as a complete model file."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from evoarch.agent.lm.base import Complete
from evoarch.agent.operators.base import Draft, Order, operator, width
from evoarch.agent.operators.syntactic.sizes import counted, scale_for, target
from evoarch.agent.operators.syntactic.view import completed_text
from evoarch.agent.operators.syntactic.vocabulary import (
    LARGEST,
    RATES,
    activation,
    conv,
    global_pool,
    layer,
    norm,
    pool,
    recurrent,
    squeeze_excite,
    star,
)

MAX_BLOCKS = 4
"""Most convolution blocks of one draw."""

_SHORTEST = 4
"""No block shortens a length (in positions) to less than this."""

_FINE = 256
"""Inputs of at most so many positions may keep them all through the first blocks: more cost too much."""

_FACTORS = (0.5, 0.7, 1.0, 1.0, 1.4, 2.0)
"""Widths of one model, as multiples of its scale."""

_SCALES = (1.0, LARGEST / max(_FACTORS))
"""The least and the most that a scale may be."""

_NEAR = 1.2
"""By what factor the wanted size may be missed."""

_TRIES = 8
"""Structures that are drawn until one can have the wanted size."""


@dataclass(frozen=True)
class _Choices:
    """Choices of one structure at one scale. The same seed makes the same ones at any scale."""

    rng: random.Random
    scale: float

    def width(self) -> int:
        return max(1, round(self.scale * self.rng.choice(_FACTORS)))


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
    choices: _Choices, width: int, rank: int, length: int, style: tuple[bool, str], *, first: bool, fine: bool
) -> tuple[list[str], int, int]:
    """One block: its layers, the width that leaves it and the length; a `fine` one keeps the length."""
    rng, (normed, act) = choices.rng, style
    new = choices.width()
    shortens = length >= 2 * _SHORTEST and not fine
    step = rng.choice((1, 2, 2)) if shortens else 1
    kind = "plain" if first else rng.choice(("plain", "plain", "separable", "residual", "star"))
    tail = [norm(rng, new, rank)] if normed else []
    match kind:
        case "separable":
            depthwise = conv(rng, width, width, rank, stride=step, groups=width)
            parts = [depthwise, layer(f"Conv{rank}d", width, new, 1), *tail, act]
        case "residual":
            new, step = width, 1
            body = [conv(rng, width, width, rank), *([norm(rng, width, rank)] if normed else []), act]
            body.append(rng.choice((conv(rng, width, width, rank), layer(f"Conv{rank}d", width, width, 1))))
            parts = [f"Residual(nn.Sequential({', '.join(body)}))"]
        case "star":
            parts = [star(rng, width, new, rank, stride=step), *tail]
        case _:
            parts = [conv(rng, width, new, rank, stride=step), *tail, act]
    length = -(-length // step)
    if rng.random() < 0.15:
        parts.append(squeeze_excite(new))
    if shortens and length >= 2 * _SHORTEST and rng.random() < 0.35:
        parts.append(pool(rng, rank))
        length //= 3 if "3)" in parts[-1] else 2
    if rng.random() < 0.15:
        parts.append(layer("Dropout", rng.choice(RATES[:4])))
    return parts, new, length


def _recurrent_at(rng: random.Random, rank: int, count: int) -> int:
    """The block that a recurrent layer stands before, `count` where there is none."""
    drawn = rng.random() * (1 if rank == 1 else 3)
    return 0 if drawn < 0.3 else rng.randrange(count) if drawn < 0.45 else count


def _convolutional(choices: _Choices, plan: _Plan, shape: Sequence[int]) -> int:
    """Convolution blocks, sometimes with a recurrent layer before one of them, pooled; gives the width."""
    rng = choices.rng
    rank = 2 if len(shape) == 3 else 1
    width, length = (1, shape[0]) if len(shape) == 1 else (shape[0], min(shape[1:]))
    if len(shape) == 1:
        plan.forward.append("x = x.unsqueeze(1)")
    style = (rng.random() < 0.7, activation(rng))
    count = rng.randint(1, MAX_BLOCKS)
    late = rng.randint(1, count) if rng.random() < 0.5 and length**rank <= _FINE else 0
    recurrent_at = _recurrent_at(rng, rank, count)
    for number in range(count):
        if number == recurrent_at:
            both = rng.random() < 0.6
            hidden = choices.width()
            plan.call("recurrent", f"Recurrent({recurrent(rng, width, hidden, bidirectional=both)})")
            width = hidden * (2 if both else 1)
        parts, width, length = _block(
            choices, width, rank, length, style, first=not number, fine=number < late
        )
        plan.call(f"block{number + 1}", _sequence(parts))
    return width * _pooled(rng, plan, width, rank, length)


def _pooled(rng: random.Random, plan: _Plan, width: int, rank: int, length: int) -> int:
    """The end of the convolutions: pooled and flattened; gives the number of positions that are kept."""
    drawn, kept = rng.random(), 1
    if drawn < 0.2:
        plan.forward.append(f"x = x.amax({'(2, 3)' if rank == 2 else '-1'})")
        return kept
    if drawn < 0.4 and rank == 1:
        kept = min(length, rng.choice((2, 4, 5)))
        plan.call("pool", layer(f"Adaptive{rng.choice(('Avg', 'Max'))}Pool{rank}d", kept))
    else:
        plan.call("pool", global_pool(rng, width, rank))
    plan.forward.append("x = x.flatten(1)")
    return kept


def _recurrent(choices: _Choices, plan: _Plan, length: int) -> int:
    """A recurrent layer over chunks of a one-dimensional input; gives the width."""
    rng = choices.rng
    chunk = rng.choice([size for size in (1, 2, 4, 5, 8) if length % size == 0])
    both, hidden = rng.random() < 0.6, choices.width()
    plan.layers.append(("recurrent", recurrent(rng, chunk, hidden, bidirectional=both)))
    plan.forward += [f"x = x.unflatten(1, (-1, {chunk}))", "x, _ = self.recurrent(x)"]
    width = hidden * (2 if both else 1)
    if rng.random() < 0.7:
        plan.forward.append(f"x = x.{rng.choice(('mean', 'amax'))}(1)")
        return width
    plan.forward.append("x = x.flatten(1)")
    return width * (length // chunk)


def _head(choices: _Choices, plan: _Plan, width: int, hidden: int) -> int:
    """Hidden layers on features; gives the width that leaves them."""
    rng = choices.rng
    for number in range(hidden):
        new = choices.width()
        parts = [layer("Linear", width, new), *([norm(rng, new, 0)] if rng.random() < 0.4 else [])]
        plan.call(f"hidden{number + 1}", _sequence([*parts, activation(rng)]))
        width = new
    return width


def _written(choices: _Choices, shape: Sequence[int], classes: int, entry: str) -> str:
    rng, plan = choices.rng, _Plan()
    family = rng.random() if len(shape) == 1 else 0.0
    if family < 0.75:
        width = _convolutional(choices, plan, shape)
        width = _head(choices, plan, width, rng.choice((0, 0, 0, 1)))
    elif family < 0.9:
        width = _recurrent(choices, plan, shape[0])
        width = _head(choices, plan, width, rng.choice((0, 0, 1)))
    else:
        width = _head(choices, plan, shape[0], rng.choice((1, 2, 3)))
    plan.call("linear", layer("Linear", width, classes))
    return plan.written(entry)


def draw(rng: random.Random, shape: Sequence[int], classes: int, entry: str = "Model") -> str:
    """A model file for inputs of `shape`: (length,), (channels, length) or (channels, height, width).

    The number of its parameters is drawn first, from LEAST to MOST on a log scale, and the widths of a drawn
    structure are set to it as far as they go.
    """
    wanted = target(rng)
    for _ in range(_TRIES):
        seed = rng.getrandbits(64)

        def text(scale: float, seed: int = seed) -> str:
            return _written(_Choices(random.Random(seed), scale), shape, classes, entry)

        low, high = (counted(text(scale)) for scale in _SCALES)
        if low <= wanted * _NEAR and high >= wanted / _NEAR:
            break
    return completed_text(text(scale_for(lambda scale: counted(text(scale)), wanted, *_SCALES)))


@operator
class RandomDraw:
    """The operator: children without parents. Deterministic in (order, rng); needs no language model."""

    name = "random"
    arity = 0
    samples = 1

    async def propose(self, order: Order, rng: random.Random, complete: Complete | None) -> list[Draft]:
        """`order.count` drafts (see Operator.propose)."""
        shape, classes = order.offers.get("input_shape"), width(order.offers)
        tokens = "vocab_size" in order.offers
        if tokens or not isinstance(shape, tuple | list) or not 1 <= len(shape) <= 3 or classes is None:
            problem = (
                "expected offers input_shape (1 to 3 sizes of numbers) and num_classes, got "
                f"{dict(order.offers)}"
            )
            return [Draft("", problem=problem) for _ in range(order.count)]
        sizes = [int(size) for size in shape]
        return [
            Draft(draw(rng, sizes, classes, order.entry), change="drawn from the layer vocabulary")
            for _ in range(order.count)
        ]
