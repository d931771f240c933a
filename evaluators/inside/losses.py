"""The losses that a task may name."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import Tensor
from torch.nn import functional

LOSSES: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = {"cross_entropy": functional.cross_entropy}
"""Each takes (batch, classes) logits and (batch,) int64 targets and returns a scalar."""
