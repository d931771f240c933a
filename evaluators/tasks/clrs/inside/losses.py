"""Training losses of outputs and hints, as the benchmark defines them (dm-clrs 2.0.3, losses.py)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from evoarch.evaluators.tasks.clrs.inside.feature import (
    CATEGORICAL,
    MASK,
    MASK_ONE,
    PERMUTATION,
    POINTER,
    SCALAR,
    Feature,
    of_stage,
)
from evoarch.evaluators.tasks.clrs.inside.features import Batch
from evoarch.evaluators.tasks.clrs.inside.network import Predicted


def total_loss(features: Sequence[Feature], predicted: Predicted, batch: Batch) -> Tensor:
    """The sum over outputs and over hints of each one's mean loss."""
    losses = [
        output_loss(feature, predicted.outputs[feature.name], batch.outputs[feature.name])
        for feature in of_stage(features, "output")
    ]
    if batch.hints and predicted.hints:
        ahead = next(iter(batch.hints.values())).shape[1] - 1
        steps = torch.arange(1, ahead + 1, device=batch.lengths.device)
        real = batch.lengths[:, None] > steps
        for feature in of_stage(features, "hint") if ahead else []:
            logits = torch.stack([hints[feature.name] for hints in predicted.hints], dim=1)
            losses.append(hint_loss(feature, logits, batch.hints[feature.name][:, 1:], real))
    return torch.stack(losses).sum()


def output_loss(feature: Feature, logits: Tensor, truth: Tensor) -> Tensor:
    """The mean loss of one output over all graded elements; -1 in masks and categories is not graded."""
    losses, graded = _elementwise(feature, logits, truth)
    return (losses * graded).sum() / graded.sum().clamp(min=1)


def hint_loss(feature: Feature, logits: Tensor, truth: Tensor, real: Tensor) -> Tensor:
    """The mean loss of one hint over real steps; `logits` and `truth` (B, T, ...), `real` (B, T)."""
    losses, graded = _elementwise(feature, logits, truth)
    graded = graded * real.view(*real.shape, *[1] * (losses.dim() - 2)).float()
    return (losses * graded).sum() / graded.sum().clamp(min=1)


def _elementwise(feature: Feature, logits: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
    """Losses of elements and which of them count (1 or 0)."""
    kind = feature.kind
    if kind == SCALAR:
        losses = (logits - truth) ** 2
        return losses, torch.ones_like(losses)
    if kind == MASK:
        graded = (truth != -1).float()
        losses = F.binary_cross_entropy_with_logits(logits, truth.clamp(min=0).float(), reduction="none")
        return losses, graded
    if kind in (MASK_ONE, CATEGORICAL):
        positive = (truth == 1).float()
        losses = -(positive * torch.log_softmax(logits, dim=-1)).sum(-1)
        return losses, positive.amax(-1)
    if kind in (POINTER, PERMUTATION):
        # A decoded permutation is a logarithm already (of a doubly stochastic matrix).
        logs = torch.log_softmax(logits, dim=-1) if kind == POINTER else logits
        losses = -logs.gather(-1, truth.long().unsqueeze(-1)).squeeze(-1)
        return losses, torch.ones_like(losses)
    raise ValueError(f"kind: expected a CLRS feature kind, got {kind!r}")
