import torch.nn as nn
import torch.nn.functional as F


def conv(channels, out, stride, rank):
    """A 3x3 convolution, or one to `rank` channels and a 1x1 back: a kernel of low rank."""
    if not rank:
        return nn.Conv2d(channels, out, 3, stride, 1, bias=False)
    return nn.Sequential(
        nn.Conv2d(channels, rank, 3, stride, 1, bias=False), nn.Conv2d(rank, out, 1, bias=False)
    )


class Residual(nn.Module):
    """ResNet's block of two convolutions, each of full or of low rank."""

    def __init__(self, channels, out, stride, rank):
        super().__init__()
        self.conv1 = conv(channels, out, stride, rank)
        self.norm1 = nn.BatchNorm2d(out)
        self.conv2 = conv(out, out, 1, rank)
        self.norm2 = nn.BatchNorm2d(out)
        self.shortcut = nn.Sequential()
        if stride != 1 or channels != out:
            self.shortcut = nn.Sequential(
                nn.Conv2d(channels, out, 1, stride, bias=False), nn.BatchNorm2d(out)
            )

    def forward(self, x):
        y = F.relu(self.norm1(self.conv1(x)))
        return F.relu(self.norm2(self.conv2(y)) + self.shortcut(x))


class Model(nn.Module):
    """Pufferfish: a ResNet whose convolutions are products of two thin ones; the first blocks stay full.

    divisor: a convolution to n channels has rank n / divisor. full: number of blocks of full rank.
    """

    def __init__(
        self,
        input_shape,
        num_classes,
        width=1.0,
        widths=(64, 128, 256, 512),
        depths=(2, 2, 2, 2),
        divisor=4,
        full=1,
    ):
        super().__init__()
        widths = [max(1, round(width * size)) for size in widths]
        self.stem = nn.Conv2d(input_shape[0], widths[0], 3, padding=1, bias=False)
        blocks = []
        before = widths[0]
        for stage, (out, depth) in enumerate(zip(widths, depths, strict=True)):
            for i in range(depth):
                rank = 0 if len(blocks) < full else max(1, out // divisor)
                blocks.append(Residual(before, out, 2 if stage and i == 0 else 1, rank))
                before = out
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Linear(before, num_classes)

    def forward(self, x):
        x = self.blocks(F.relu(self.stem(x)))
        return self.head(x.mean((2, 3)))
