# rename: y h
from torch.nn import *
import torch, typing


class Model(Module):
    def __init__(self, input_shape, num_classes):
        super(Model, self).__init__()
        self.encode = Linear(40, 16)
        self.decode = Linear(16, 40)
        self.decode.weight = Parameter(self.encode.weight.t())
        self.gate = GRU(1, 4, batch_first=True, bidirectional=True)
        self.head = Linear(56, num_classes)

    def forward(self, x):
        x = x.flatten(1)
        h = torch.sigmoid(self.decode(self.encode(x)))
        y, _ = self.gate(h.unsqueeze(-1))
        return self.head(torch.cat([self.encode(h), h], dim=1))
