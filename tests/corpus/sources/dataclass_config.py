# rename: Config settings sizes body
from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import nn, Tensor


@dataclass(frozen=True)
class Config:
    widths: tuple[int, ...] = (16, 8)
    dropout: float = 0.1
    tags: list[str] = field(default_factory=list)


class Model(nn.Module):
    def __init__(self, input_shape, num_classes, config: Config = None):
        super().__init__()
        settings = config or Config(dropout=0.2)
        sizes = [40, *settings.widths]
        self.body = nn.Sequential(
            *(m for a, b in zip(sizes, sizes[1:]) for m in (nn.Linear(a, b), nn.ReLU(), nn.Dropout(settings.dropout)))
        )
        self.head = nn.Linear(sizes[-1], num_classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(torch.flatten(x, 1)))
