"""Two layers of a width to fill in: models that differ in what a statistic of changes can name."""

MODEL = """\
import torch.nn as nn


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(40, {width})
        self.b = nn.Linear({width}, 10)

    def forward(self, x):
        x = self.a(x)
        return self.b(x)
"""
