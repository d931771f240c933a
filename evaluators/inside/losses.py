"""The losses that a task may name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

IGNORED = -100
"""torch's number for a target that counts nothing: the pixels of a mask that nobody labelled."""


def _masked_loss(outputs: Tensor, targets: Tensor) -> Tensor:
    known = ~torch.isnan(targets)
    gap = torch.where(known, outputs - torch.nan_to_num(targets), 0.0)
    return (gap * gap).sum() / known.sum().clamp(min=1)


LOSSES: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = {
    "cross_entropy": functional.cross_entropy,
    "mean_squared_error": functional.mse_loss,
    "next_token": lambda outputs, targets: functional.cross_entropy(outputs.flatten(0, 1), targets.flatten()),
    "pixel_cross_entropy": functional.cross_entropy,
    "masked_squared_error": _masked_loss,
}
"""Each takes the outputs (batch, k) and the targets, (batch,) int64 class numbers or (batch, k) float32, and
returns a scalar. `next_token`: outputs (batch, context, vocabulary), targets (batch, context) int64.
`pixel_cross_entropy`: outputs (batch, classes, height, width), targets (batch, height, width) int64, where
IGNORED counts nothing. `masked_squared_error`: as mean_squared_error, over the targets that are not NaN."""

_LOG_SOFTMAX = torch.ops.aten._log_softmax.default
_LOG_SOFTMAX_BACKWARD = torch.ops.aten._log_softmax_backward_data.default
_NLL, _NLL_BACKWARD = torch.ops.aten.nll_loss_forward.default, torch.ops.aten.nll_loss_backward.default
_MSE_BACKWARD = torch.ops.aten.mse_loss_backward.default
_MEAN = 1
"""torch's default: the mean over examples."""


def _cross_entropy(outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    logs = _LOG_SOFTMAX(outputs, 1, False)
    loss, weight = _NLL(logs, targets, None, _MEAN, IGNORED)
    gradient = _NLL_BACKWARD(torch.ones_like(loss), logs, targets, None, _MEAN, IGNORED, weight)
    return loss, _LOG_SOFTMAX_BACKWARD(gradient, logs, 1, outputs.dtype)


def _mean_squared_error(outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    loss = functional.mse_loss(outputs, targets)
    return loss, _MSE_BACKWARD(torch.ones_like(loss), outputs, targets, _MEAN)


def _next_token(outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    loss, gradient = _cross_entropy(outputs.flatten(0, 1), targets.flatten())
    return loss, gradient.view_as(outputs)


def _pixels(outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    rows = outputs.movedim(1, -1)
    loss, gradient = _cross_entropy(rows.flatten(0, -2), targets.flatten())
    return loss, gradient.view(rows.shape).movedim(-1, 1).contiguous()


def _masked(outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    known = ~torch.isnan(targets)
    gap = torch.where(known, outputs - torch.nan_to_num(targets), 0.0)
    count = known.sum().clamp(min=1)
    return (gap * gap).sum() / count, 2.0 * gap / count


GRADIENTS: Mapping[str, Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]] = {
    "cross_entropy": _cross_entropy,
    "mean_squared_error": _mean_squared_error,
    "next_token": _next_token,
    "pixel_cross_entropy": _pixels,
    "masked_squared_error": _masked,
}
"""Each loss of LOSSES, and its gradient by the outputs, as torch's own backward pass gives them (bit for
bit, but for the last two, whose sums are taken in another order).

Outputs (detached) and targets as there. No graph is built, so that nothing in it saves the targets: a genome
may look at what torch saves for a backward pass. It costs less than a graph of its own, too.
"""


def gradient_of(
    loss: str, recipe: Mapping[str, Any], targets: Tensor, outputs: int
) -> Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """The loss called `loss` and its gradient, with the recipe's `label_smoothing` and `class_weights`.

    `targets`: all of the training split, whose classes are counted; `outputs`: how many classes there are.
    With `balanced` weights each class counts as much as any other. Without either, this is GRADIENTS.
    """
    smoothing, balanced = recipe.get("label_smoothing", 0.0), recipe.get("class_weights") == "balanced"
    if not smoothing and not balanced:
        return GRADIENTS[loss]
    weights = torch.ones(outputs, device=targets.device)
    if balanced:
        counts = torch.bincount(targets[targets != IGNORED], minlength=outputs).float()
        weights = torch.where(counts > 0, counts.sum() / (outputs * counts.clamp(min=1)), 0.0)

    pixels = loss == "pixel_cross_entropy"

    def soft(logits: Tensor, classes: Tensor) -> tuple[Tensor, Tensor]:
        rows = logits.movedim(1, -1) if pixels else logits
        flat, told = rows.flatten(0, -2), classes.flatten()
        value, gradient = _soft_cross_entropy(flat, told, weights, smoothing)
        gradient = gradient.view(rows.shape)
        return value, gradient.movedim(-1, 1).contiguous() if pixels else gradient

    return soft


def _soft_cross_entropy(
    rows: Tensor, classes: Tensor, weights: Tensor, smoothing: float
) -> tuple[Tensor, Tensor]:
    """Of (n, classes) logits; an example counts as its class weighs, and the sum of weights divides."""
    known = classes != IGNORED
    told = classes.where(known, torch.zeros_like(classes))
    count = weights[told] * known
    count = (count / count.sum().clamp(min=1e-12))[:, None].to(rows.dtype)
    logs = functional.log_softmax(rows, 1)
    wanted = torch.full_like(logs, smoothing / logs.shape[1])
    wanted.scatter_add_(1, told[:, None], torch.full_like(wanted[:, :1], 1.0 - smoothing))
    return -(count * wanted * logs).sum(), count * (logs.exp() - wanted)
