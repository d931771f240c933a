# rename: Base Middle hidden project extra
from torch import nn
from typing import Optional
from torch.nn import functional as F, Linear


class Base(nn.Module):
    def __init__(self, input_shape, num_classes, width=24):
        super().__init__()
        self.hidden = Linear(input_shape[-1], width)
        self.out = Linear(width, num_classes)

    def project(self, x):
        return F.gelu(self.hidden(x))


class Middle(Base):
    def project(self, x):
        y = super().project(x)
        return y + self.extra()

    def extra(self) -> float:
        return 0.25


class Model(Middle):
    def forward(self, x, mask: Optional[object] = None):
        return self.out(self.project(x.flatten(1)))
