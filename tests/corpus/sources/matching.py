# rename: rest pick error
import torch
from torch import nn


def make(options):
    match options:
        case {"kind": "linear", "size": (a, b), **rest}:
            return nn.Linear(a, b, bias=not rest)
        case ["act", kind]:
            return {"relu": nn.ReLU, "tanh": nn.Tanh}[kind]()
        case [*_]:
            return nn.Identity()
        case other if other is None:
            raise ValueError(f"nothing to make of {other!r:>10}")


class Model(nn.Module):
    def __init__(self, input_shape, num_classes):
        super().__init__()
        self.first = make({"kind": "linear", "size": (40, 12)})
        self.act = make(["act", "tanh"])
        self.last = make({"kind": "linear", "size": (12, num_classes), "x": 1})

    def forward(self, x, *, flip=False):
        try:
            pick = self.act(self.first(x.flatten(1)))
        except RuntimeError as error:
            raise ValueError(str(error)) from error
        return self.last(torch.flip(pick, (1,)) if flip else pick)
