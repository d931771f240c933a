import torch.nn as nn


class Model(nn.Module):
    """A bidirectional GRU of 6 units, all its steps read by one linear layer: 5,134 parameters."""

    def __init__(self):
        super().__init__()
        self.gru = nn.GRU(1, 6, batch_first=True, bidirectional=True)
        self.linear = nn.Linear(480, 10)

    def forward(self, x):
        x = x.unsqueeze(2)
        x, _ = self.gru(x)
        x = x.flatten(1)
        return self.linear(x)
