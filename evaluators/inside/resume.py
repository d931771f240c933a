"""What training goes on from: all that an interrupted one held, or tensors of a parent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from evoarch.evaluators.inside.device import random_states, set_random_states
from evoarch.evaluators.inside.overlap import overlap
from evoarch.evaluators.inside.state import load_state, named_state


def part_of(arrays: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors under `prefix`, by their names without it."""
    return {name[len(prefix) :]: value for name, value in arrays.items() if name.startswith(prefix)}


def snapshot(
    model: nn.Module, optimiser: torch.optim.Optimizer, options: Mapping[str, Any]
) -> dict[str, Tensor]:
    """`model/<name>`, `optimiser/<parameter>/<moment>` and `rng`: training goes on from it bit by bit."""
    held = {f"model/{name}": value.detach().clone() for name, value in named_state(model).items()}
    for number, moments in optimiser.state_dict()["state"].items():
        held |= {f"optimiser/{number}/{name}": _real(value).clone() for name, value in moments.items()}
    return held | random_states(options)


def _real(value: Tensor) -> Tensor:
    """As it crosses: complex numbers as pairs."""
    return torch.view_as_real(value.detach()) if value.is_complex() else value.detach()


def restore(
    model: nn.Module,
    optimiser: torch.optim.Optimizer,
    held: Mapping[str, Tensor],
    options: Mapping[str, Any],
) -> None:
    """The inverse of `snapshot`. Raises ValueError where the tensors are not those of this model."""
    load_state(model, part_of(held, "model/"), constants=True)
    state: dict[int, dict[str, Any]] = {}
    parameters = [p for group in optimiser.param_groups for p in group["params"]]
    for path, value in part_of(held, "optimiser/").items():
        number, _, name = path.partition("/")
        own = parameters[int(number)]
        paired = own.is_complex() and value.shape[:-1] == own.shape
        state.setdefault(int(number), {})[name] = (
            torch.view_as_complex(value.clone()) if paired else value.clone()
        )
    optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})
    set_random_states(held, options)


def inherit(model: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Copy a parent's tensors into an untrained model: whole where name and shape match, else the slice that
    both have where only widths differ (`overlap`). The slice keeps what is not overwritten as initialised.
    """
    with torch.no_grad():
        for name, value in named_state(model).items():
            given = tensors.get(name)
            if given is None or not value.is_floating_point() or not given.is_floating_point():
                continue
            if shared := overlap(tuple(value.shape), tuple(given.shape)):
                part = tuple(slice(size) for size in shared)
                value[part] = given[part].to(value)
