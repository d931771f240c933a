"""The optimisers that a recipe may name, and the average of weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from evoarch.evaluators.inside.build import state_of

MOMENTUM = 0.9


def optimisers_of(model: nn.Module, recipe: Mapping[str, Any]) -> list[torch.optim.Optimizer]:
    """One optimiser, or with `muon` two: Muon for matrices, AdamW for all else, embeddings included.

    Raises ValueError for a name that is none, and for a model without a trainable parameter.
    """
    parameters = [p for p in model.parameters() if p.requires_grad]
    if not parameters:
        raise ValueError("the model has no trainable parameter")
    kind, rate, decay = recipe["optimiser"], recipe["rate"], recipe["weight_decay"]
    if kind == "adamw":
        return [_adamw(parameters, rate, decay)]
    if kind == "sgd":
        sgd = torch.optim.SGD(parameters, lr=rate, momentum=MOMENTUM, nesterov=True, weight_decay=decay)
        return [sgd]
    if kind != "muon":
        raise ValueError(f"recipe.optimiser: expected adamw, sgd or muon, got {kind!r}")
    tables = {id(m.weight) for m in model.modules() if isinstance(m, nn.Embedding)}
    matrices = [p for p in parameters if p.ndim == 2 and not p.is_complex() and id(p) not in tables]
    chosen = {id(p) for p in matrices}
    others = [p for p in parameters if id(p) not in chosen]
    made: list[torch.optim.Optimizer] = [_adamw(others, rate, decay)] if others else []
    if matrices:
        # Updates as large as AdamW's, so that one rate suits both.
        made.append(torch.optim.Muon(matrices, lr=rate, weight_decay=decay, adjust_lr_fn="match_rms_adamw"))
    return made


def _adamw(parameters: list[nn.Parameter], rate: float, decay: float) -> torch.optim.Optimizer:
    fused = all(p.is_floating_point() for p in parameters)
    return torch.optim.AdamW(parameters, lr=rate, weight_decay=decay, fused=fused)


def clip(model: nn.Module, norm: float) -> None:
    """Scales all gradients down to a common norm; 0: leaves them."""
    if norm:
        nn.utils.clip_grad_norm_([p for p in model.parameters() if p.grad is not None], norm)


class Average:
    """An exponential moving average of a model's state, buffers included. `decay` 0: the state itself.

    The decay rises from 0.1 to its value, so that the first weights are soon forgotten.
    """

    def __init__(self, decay: float) -> None:
        self._decay, self._seen = decay, 0
        self._held: dict[str, Tensor] = {}

    def take(self, model: nn.Module) -> None:
        """After each step."""
        if not self._decay:
            return
        state = {name: value for name, value in state_of(model)[0].items() if value.is_floating_point()}
        if set(state) != set(self._held):  # at first, and where a layer appears while it trains
            self._held = {name: value.clone() for name, value in state.items()}
            return
        self._seen += 1
        decay = min(self._decay, (1 + self._seen) / (10 + self._seen))
        update = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call] # torch has no types for it
        kinds = {value.dtype for value in state.values()}
        for kind in kinds:
            names = [name for name, value in state.items() if value.dtype is kind]
            update([self._held[n] for n in names], [state[n] for n in names], self._seen)

    def of(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """`state` with the averages in their places."""
        return {name: self._held.get(name, value) for name, value in state.items()}
