"""From a genome to a model: the entry gets those offers that its signature names."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from evoarch.evaluators.inside.state import named_state

Announce = Callable[[str], None]
Reply = tuple[dict[str, Tensor], dict[str, Any]]


def build(genome: ModuleType | None, options: Mapping[str, Any]) -> nn.Module:
    """The model that `options["entry"]` makes of `options["offers"]` and the fixed `options["kwargs"]`.

    Raises AttributeError (no such entry) or TypeError (not callable, wants what is not offered, returns no
    module), each saying what was expected and got.
    """
    name = options["entry"]
    entry = getattr(genome, name, None)
    if not callable(entry):
        raise AttributeError(f"expected a class or function {name!r}, got {type(entry).__name__}")
    model = entry(**_arguments(entry, name, options))
    if not isinstance(model, nn.Module):
        raise TypeError(f"{name}(...) must return an nn.Module, got {type(model).__name__}")
    return model


def outputs_of(options: Mapping[str, Any]) -> tuple[int, ...]:
    """The shape of what a model returns of an example: (classes,), (outputs,) of a regression, (context,
    vocabulary) of a language model, or (classes, height, width) of a segmentation.
    """
    offers, loss = options["offers"], options.get("loss", "")
    if loss == "next_token":
        return (*offers["input_shape"], int(offers["vocab_size"]))
    if loss == "pixel_cross_entropy":
        return (int(offers["num_classes"]), *offers["input_shape"][1:])
    return (int(offers["num_classes"] if "num_classes" in offers else offers["num_outputs"]),)


def materialise(model: nn.Module, inputs: Tensor) -> None:
    """Give lazy layers their shapes: they have no parameters before a first forward."""
    if any(nn.parameter.is_lazy(p) for p in model.parameters()):
        model.eval()
        with torch.no_grad():
            model(inputs)
    model.train()


def check_logits(logits: object, batch: int, outputs: tuple[int, ...]) -> Tensor:
    """`logits` as they are, or TypeError or ValueError naming the expected shape (batch, *outputs) and the
    got one.
    """
    expected = (batch, *outputs)
    if not isinstance(logits, Tensor):
        raise TypeError(f"forward must return a tensor {expected}, got {type(logits).__name__}")
    if type(logits) is not Tensor:  # a class of the genome's own would be asked what each operation does
        raise TypeError(f"forward must return a plain tensor, got a {type(logits).__name__}")
    if tuple(logits.shape) != expected:
        raise ValueError(f"forward returned shape {tuple(logits.shape)}, expected {expected}")
    if not logits.is_floating_point():
        raise TypeError(f"forward must return floating point logits, got {logits.dtype}")
    return logits


def state_of(model: nn.Module) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors of the state (detached, not copied), and ties: a name to the first name it shares."""
    state: dict[str, Tensor] = {}
    ties: dict[str, str] = {}
    first: dict[tuple[int, torch.Size, tuple[int, ...]], str] = {}
    for name, value in named_state(model).items():
        if value.dtype is torch.bfloat16:
            raise TypeError(
                f"state {name!r} must be float16, float32, float64, complex or integer, got {value.dtype}"
            )
        state[name] = value.detach()
        place = (value.data_ptr(), value.shape, value.stride())
        if value.numel() and first.setdefault(place, name) != name:
            ties[name] = first[place]
    return state, ties


def _arguments(entry: Callable[..., object], name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    # JSON has no tuples; shapes are tuples to everyone who writes a model.
    offers = {k: tuple(v) if isinstance(v, list) else v for k, v in options["offers"].items()}
    offers |= options.get("kwargs", {})
    chosen: dict[str, Any] = {}
    for parameter in inspect.signature(entry).parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        if parameter.name in offers and parameter.kind is not parameter.POSITIONAL_ONLY:
            chosen[parameter.name] = offers[parameter.name]
        elif parameter.default is parameter.empty:
            known = ", ".join(offers)
            raise TypeError(
                f"{name} wants {parameter.name!r}, which is not offered; offered by name: {known}"
            )
    return chosen
