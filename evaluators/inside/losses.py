"""The losses that a task may name."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import Tensor
from torch.nn import functional

LOSSES: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = {
    "cross_entropy": functional.cross_entropy,
    "mean_squared_error": functional.mse_loss,
    "next_token": lambda outputs, targets: functional.cross_entropy(outputs.flatten(0, 1), targets.flatten()),
}
"""Each takes the outputs (batch, k) and the targets, (batch,) int64 class numbers or (batch, k) float32, and
returns a scalar. `next_token`: outputs (batch, context, vocabulary), targets (batch, context) int64."""
