"""Changes to a batch before a training step: on its device, drawn by a generator of their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from evoarch.evaluators.inside.losses import IGNORED

FAR = 8
"""A crop or shift moves an axis by at most one part in so many of its length."""

HOLE = 4
"""A cutout is a block of one part in so many of each axis."""

NOISE = 0.1
"""The deviation of added noise, as inputs are standardised."""

Change = Callable[[Tensor, Tensor, torch.Generator], tuple[Tensor, Tensor]]
Mixed = tuple[Tensor, Tensor, Tensor | None, float]
"""Inputs, targets, the targets of what was mixed in (None: nothing was), and the share of the first."""


def augmenter(recipe: Mapping[str, Any], inputs: Tensor) -> Callable[[Tensor, Tensor], Mixed]:
    """What changes each batch as `recipe["augment"]` says. Its draws never move the genome's generator, nor
    the order of the examples.
    """
    names: Sequence[str] = recipe.get("augment", ())
    if not names:
        return lambda x, y: (x, y, None, 1.0)
    draw = torch.Generator(inputs.device).manual_seed(torch.initial_seed() ^ 0x5EED)
    changes = [CHANGES[name] for name in names if name != "mixup"]

    def augment(x: Tensor, y: Tensor) -> Mixed:
        for change in changes:
            x, y = change(x, y, draw)
        if "mixup" not in names:
            return x, y, None, 1.0
        share = 0.5 + 0.5 * float(torch.rand((), generator=draw, device=x.device))
        other = torch.randperm(len(x), generator=draw, device=x.device)
        return share * x + (1.0 - share) * x[other], y, y[other], share

    return augment


def _flip(x: Tensor, y: Tensor, draw: torch.Generator) -> tuple[Tensor, Tensor]:
    """Half of the images, left to right; a mask with its image."""
    chosen = torch.rand(len(x), generator=draw, device=x.device) < 0.5
    return _flipped(x, chosen), _flipped(y, chosen) if y.ndim > 2 else y


def _flipped(values: Tensor, chosen: Tensor) -> Tensor:
    return torch.where(chosen.view(-1, *[1] * (values.ndim - 1)), values.flip(-1), values)


def _move(x: Tensor, y: Tensor, draw: torch.Generator) -> tuple[Tensor, Tensor]:
    """Each example along all axes but its channels; what comes in is 0, or no label in a mask."""
    for axis in range(2, x.ndim):
        far = max(1, x.shape[axis] // FAR)
        offset = torch.randint(-far, far + 1, (len(x),), generator=draw, device=x.device)
        x = _moved(x, axis, offset, 0)
        if y.ndim > 2:
            y = _moved(y, axis - 1, offset, IGNORED)
    return x, y


def _moved(values: Tensor, axis: int, offset: Tensor, fill: int) -> Tensor:
    size = values.shape[axis]
    place = torch.arange(size, device=values.device) + offset[:, None]
    view = [len(values), *[1] * (values.ndim - 1)]
    view[axis] = size
    inside = ((place >= 0) & (place < size)).view(view)
    moved = torch.take_along_dim(values, place.clamp(0, size - 1).view(view), axis)
    return torch.where(inside, moved, torch.full_like(moved, fill))


def _cutout(x: Tensor, y: Tensor, draw: torch.Generator) -> tuple[Tensor, Tensor]:
    """A block of each example becomes 0, the mean of standardised inputs (DeVries and Taylor, 2017)."""
    hole = torch.ones((), dtype=torch.bool, device=x.device)
    for axis in range(2, x.ndim):
        size = x.shape[axis]
        width = max(1, size // HOLE)
        first = torch.randint(0, size - width + 1, (len(x),), generator=draw, device=x.device)[:, None]
        place = torch.arange(size, device=x.device)
        view = [len(x), *[1] * (x.ndim - 1)]
        view[axis] = size
        hole = hole & ((place >= first) & (place < first + width)).view(view)
    return torch.where(hole, torch.zeros_like(x), x), y


def _noise(x: Tensor, y: Tensor, draw: torch.Generator) -> tuple[Tensor, Tensor]:
    """Normal noise on each number."""
    return x + NOISE * torch.randn(x.shape, generator=draw, device=x.device), y


CHANGES: Mapping[str, Change] = {
    "flip": _flip,
    "crop": _move,
    "shift": _move,
    "cutout": _cutout,
    "noise": _noise,
}
"""By name, beside `mixup` (Zhang et al., 2018; shares drawn uniformly)."""
