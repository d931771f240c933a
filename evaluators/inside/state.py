"""A model's state, taken and put back by walking torch's own tables of it.

No method of the model is called: a genome may define `state_dict` or `load_state_dict`, and could carry what
it learnt past the parameter count in what these say.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

MOST_TENSORS = 10_000
"""Of one model; a parcel holds no more."""

MOST_LEVELS = 64
"""Modules inside modules."""


def named_state(model: nn.Module) -> dict[str, Tensor]:
    """Parameters and persistent buffers by dotted name, in the order of torch's own `state_dict`.

    A module that is reached twice is named twice. Complex numbers are shown as pairs of real ones, in a last
    dimension of their own, and written through it. Raises TypeError for what is no tensor, ValueError for a
    module that holds itself or more than MOST_TENSORS tensors.
    """
    found: dict[str, Tensor] = {}
    for name, value in _walk(model, "", 0):
        if not isinstance(value, Tensor):
            raise TypeError(f"state {name!r} must be a tensor, got {type(value).__name__}")
        found[name] = torch.view_as_real(value.detach()) if value.is_complex() else value
        if len(found) > MOST_TENSORS:
            raise ValueError(f"expected a model of at most {MOST_TENSORS} tensors")
    return found


def load_state(model: nn.Module, values: Mapping[str, Tensor], *, constants: bool = False) -> None:
    """Copies `values` into the state of `model`. Without `constants`, integer and boolean tensors stay as the
    constructor made them: they are never carried.

    Raises ValueError where names or shapes are not those of the model's state.
    """
    state = named_state(model)
    wanted = {name for name, value in state.items() if constants or value.is_floating_point()}
    missing, unknown = sorted(wanted - set(values)), sorted(set(values) - set(state))
    if missing or unknown:
        raise ValueError(f"trained weights lack {missing[:5]} and hold unknown {unknown[:5]}")
    with torch.no_grad():
        for name in values:
            if state[name].shape != values[name].shape:
                got, expected = tuple(values[name].shape), tuple(state[name].shape)
                raise ValueError(f"trained weights: {name}: expected shape {expected}, got {got}")
            state[name].copy_(values[name])


def _walk(module: nn.Module, prefix: str, level: int) -> Iterator[tuple[str, object]]:
    if level > MOST_LEVELS:
        raise ValueError(f"expected modules in at most {MOST_LEVELS} levels: one may hold itself")
    own = object.__getattribute__(module, "__dict__")
    for name, value in own["_parameters"].items():
        if value is not None:
            yield prefix + name, value
    for name, value in own["_buffers"].items():
        if value is not None and name not in own["_non_persistent_buffers_set"]:
            yield prefix + name, value
    for name, child in own["_modules"].items():
        if child is not None:
            yield from _walk(child, f"{prefix}{name}.", level + 1)
