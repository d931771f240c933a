"""What zero-cost scores are made of: a model as initialised, on a few training examples, untrained."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, autograd, nn
from torch.utils._python_dispatch import TorchDispatchMode

from evoarch.evaluators.inside.build import Announce, Reply, build, check_logits, materialise, outputs_of
from evoarch.evaluators.inside.losses import LOSSES

BENDS = frozenset({
    "relu", "leaky_relu", "_prelu_kernel", "rrelu_with_noise", "threshold", "clamp_min", "hardtanh", "elu",
    "gelu", "silu", "mish", "softplus", "sigmoid", "tanh", "hardswish", "hardsigmoid", "log_sigmoid_forward",
})  # fmt: skip
"""Torch's pointwise functions that bend at zero, as their kernels are called: others are made of them."""


def zero_cost(
    genome: ModuleType | None, arrays: Mapping[str, Tensor], options: Mapping[str, Any], announce: Announce
) -> Reply:
    """The raw material of `options["scores"]` ("naswot", "gradsign") from `arrays["inputs"]` (n, *shape) and
    `arrays["targets"]` (n,); `options` besides: entry, offers, kwargs, loss, and `signed`, of how many of the
    examples GradSign takes a gradient each.

    `naswot`: (n, n) float64, on how many units two examples agree whether the input of an activation function
    is above zero. `gradsign`: (signed + 1,) int64, of how many parameters the signs of these gradients sum up
    to 0, 1, ..., signed in absolute value.
    """
    announce("build")
    model = build(genome, options)
    announce("zero_cost")
    materialise(model, arrays["inputs"][:2])
    made: dict[str, Tensor] = {}
    # Gradients first: the other forward pass moves the statistics of normalisation layers.
    if "gradsign" in options["scores"]:
        signed = options["signed"]
        made["gradsign"] = _signs(model, arrays["inputs"][:signed], arrays["targets"][:signed], options)
    if "naswot" in options["scores"]:
        made["naswot"] = _agreement(model, arrays["inputs"])
    return made, {}


def _agreement(model: nn.Module, inputs: Tensor) -> Tensor:
    """In training mode, as the paper's authors have it: normalisation with the statistics of the examples."""
    model.train()
    codes = _Codes(len(inputs))
    with torch.no_grad(), codes:
        model(inputs)
    return codes.agreement


class _Codes(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Adds up agreement over the units of every activation function; units are what the examples' dimension,
    told by its length, leaves over.
    """

    def __init__(self, examples: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._examples = examples
        self.agreement = torch.zeros(examples, examples, dtype=torch.float64)

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        name = func._schema.name.removeprefix("aten::").rstrip("_")
        if name in BENDS and isinstance(args[0], Tensor) and self._examples in args[0].shape:
            # Before the call: an in-place function leaves nothing of its input.
            above = args[0].movedim([*args[0].shape].index(self._examples), 0).flatten(1) > 0
            for code in (above.to(torch.float32), (~above).to(torch.float32)):
                self.agreement += code @ code.T
        return func(*args, **(kwargs or {}))


def _signs(model: nn.Module, inputs: Tensor, targets: Tensor, options: Mapping[str, Any]) -> Tensor:
    """In evaluation mode, so that an example's gradient depends on no other example, nor on dropout."""
    model.eval()
    loss_of: Callable[[Tensor, Tensor], Tensor] = LOSSES[options["loss"]]
    parameters = [p for p in model.parameters() if p.requires_grad]
    sums = [torch.zeros(p.shape, dtype=torch.int64) for p in parameters]
    for number in range(len(inputs)):
        logits = check_logits(model(inputs[number : number + 1]), 1, outputs_of(options))
        loss = loss_of(logits, targets[number : number + 1])
        for total, gradient in zip(sums, autograd.grad(loss, parameters, allow_unused=True), strict=True):
            if gradient is not None:
                total += torch.sign(gradient).to(torch.int64)
    flat = torch.cat([total.flatten().abs() for total in sums])
    return torch.bincount(flat, minlength=len(inputs) + 1)
