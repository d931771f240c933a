import torch.nn as nn
import torch.nn.functional as F


class Hourglass(nn.Module):
    """Wide, narrow, wide: the sum runs through the wide space, what is added through a narrow one."""

    def __init__(self, wide, narrow):
        super().__init__()
        self.norm = nn.LayerNorm(wide)
        self.reduce = nn.Linear(wide, narrow)
        self.expand = nn.Linear(narrow, wide)

    def forward(self, x):
        return x + self.expand(F.gelu(self.reduce(self.norm(x))))


class Model(nn.Module):
    """Hourglass MLP: a lift to a wide space, blocks with narrow waists, a linear head.

    fixed: the lift stays at its random start and is not trained.
    """

    def __init__(self, input_shape, num_classes, width=1.0, wide=1024, narrow=64, depth=4, fixed=False):
        super().__init__()
        wide, narrow = max(1, round(width * wide)), max(1, round(width * narrow))
        size = 1
        for length in input_shape:
            size *= length
        self.lift = nn.Linear(size, wide, bias=False)
        self.lift.weight.requires_grad = not fixed
        self.blocks = nn.Sequential(*[Hourglass(wide, narrow) for _ in range(depth)])
        self.head = nn.Linear(wide, num_classes)

    def forward(self, x):
        return self.head(self.blocks(self.lift(x.flatten(1))))
