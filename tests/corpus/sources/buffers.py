# rename: offset embed
import math

import torch
import torch.nn as nn


class Model(nn.Module):
    def __init__(self, input_shape, num_classes: int = 10):
        super().__init__()
        length = 40
        position = torch.arange(length).unsqueeze(1)
        scale = torch.exp(torch.arange(0, 16, 2) * (-math.log(10000.0) / 16))
        table = torch.zeros(length, 16)
        table[:, 0::2], table[:, 1::2] = torch.sin(position * scale), torch.cos(position * scale)
        self.register_buffer("table", table)
        self.offset = nn.Parameter(torch.zeros(16))
        self.embed = nn.Linear(1, 16)
        layer = nn.TransformerEncoderLayer(16, nhead=2, dim_feedforward=32, batch_first=True, dropout=0.0)
        self.encoder = nn.TransformerEncoder(layer, num_layers=1, enable_nested_tensor=False)
        self.head = nn.Linear(16, num_classes)

    def forward(self, x):
        h = self.embed(x.reshape(x.size(0), -1, 1)) + self.table + self.offset
        return self.head(self.encoder(h).mean(dim=1))
