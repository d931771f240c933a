"""State that training changes and prediction never sees: only parameters and persistent buffers cross.

A model that keeps a running mean in a buffer with `persistent=False`, or in an attribute, is trained with it
and predicts without. What a model recomputes from its inputs, as a cache does, is no such state.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from evoarch.evaluators.inside.state import load_state, named_state

MOST_NAMED = 3
"""Tensors that the message names."""


def refuse_lost_state(model: nn.Module, fresh: nn.Module, inputs: Tensor) -> None:
    """Raises ValueError, which names what is lost, where `model`, which took part in training, and `fresh`,
    built anew and given the model's state, answer `inputs` differently. Both are in eval mode afterwards.
    """
    state = named_state(model)
    load_state(fresh, {name: value for name, value in state.items() if value.is_floating_point()})
    model.eval()
    fresh.eval()
    with torch.no_grad():
        first, again, without = model(inputs), model(inputs), fresh(inputs)
    # One that is random, or changes as it predicts, is no matter of what crosses.
    if not _same(first, again) or _same(first, without):
        return
    others = dict(_beside(fresh))
    lost = [name for name, value in _beside(model) if _differs(value, others.get(name))]
    lost = lost or ["something that is neither a parameter nor a buffer"]
    more = f" and {len(lost) - MOST_NAMED} more" if lost[MOST_NAMED:] else ""
    raise ValueError(
        f"training changes {', '.join(lost[:MOST_NAMED])}{more}, which prediction does not get: expected "
        "state in parameters and in floating point buffers registered with persistent=True"
    )


def _same(one: Tensor, other: Tensor) -> bool:
    scale = max(1.0, float(one.abs().max()))
    return bool(torch.allclose(one, other, rtol=1e-3, atol=1e-4 * scale, equal_nan=True))


def _differs(value: Tensor, other: Tensor | None) -> bool:
    return other is None or value.shape != other.shape or not torch.equal(value, other)


def _beside(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Tensors that do not cross, with words for each: buffers that are not persistent or hold integers, and
    attributes.
    """
    for name, value in named_state(model).items():
        if not value.is_floating_point():
            yield f"buffer {name} (integers)", value
    for path, module in model.named_modules():
        own = object.__getattribute__(module, "__dict__")
        place = f"{path}." if path else ""
        for name in own["_non_persistent_buffers_set"]:
            if isinstance(value := own["_buffers"].get(name), Tensor):
                yield f"buffer {place}{name!s} (persistent=False)", value
        for name, value in own.items():
            if isinstance(value, Tensor):
                yield f"attribute {place}{name}, a plain tensor", value
