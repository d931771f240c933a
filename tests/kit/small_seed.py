"""A convolution and a linear layer: what tests of operators with a language model begin from."""

SEED = """\
import torch.nn as nn
import torch.nn.functional as F


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv1d(1, 8, 5, stride=2, padding=1)
        self.linear = nn.Linear(152, 10)

    def forward(self, x):
        return self.linear(F.relu(self.conv(x.unsqueeze(1))).flatten(1))
"""
