# rename: block total index item fold inner step Stage depth_of stages counter gain
"""Comprehensions, closures, nonlocal and the walrus, with one name in several scopes."""
import math
import torch
import torch.nn.functional as F
from torch import nn

STEPS = 3


class Stage(nn.Module):
    gain = 0.5

    def __init__(self, width, dilation=1):
        super().__init__()
        self.block = nn.Conv1d(width, width, 3, padding=dilation, dilation=dilation)

    def forward(self, x):
        def fold(index):
            def inner():
                nonlocal counter
                counter += 1
                return index * counter

            return inner()

        counter = 0
        total = sum(fold(index) for index in range(STEPS))
        step = [item + total for item in (1, 2) if item > 0]
        if (index := len(step)) > 1:
            x = x * index
        return F.relu(self.block(x)) * self.gain


def depth_of(width):
    return int(math.log2(width))


class Model(nn.Module):
    def __init__(self, input_shape, num_classes):
        super().__init__()
        self.lift = nn.Conv1d(1, 8, 5, stride=2)
        self.stages = nn.ModuleList([Stage(8, dilation=item + 1) for item in range(depth_of(8))])
        self.head = nn.Linear(8, num_classes)

    def forward(self, x):
        x = self.lift(x.view(x.shape[0], 1, -1))
        for block in self.stages:
            x = x + block(x)
        return self.head(x.mean(-1))
