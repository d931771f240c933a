# rename:
import torch
from torch import nn


class Model(nn.Module):
    """Attributes found by name: nothing can be renamed."""

    def __init__(self, input_shape, num_classes):
        super().__init__()
        self.first = nn.Linear(40, 20)
        self.second = nn.Linear(20, num_classes)
        self.order = ["first", "second"]

    def forward(self, x):
        x = x.flatten(1)
        for name in self.order:
            x = torch.tanh(getattr(self, name)(x))
        return x
