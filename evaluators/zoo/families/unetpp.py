import torch
import torch.nn as nn
import torch.nn.functional as F


class Residual(nn.Module):
    """The two-convolution block of ResNet-18 and ResNet-34, the encoder's unit."""

    def __init__(self, channels, out, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, out, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(out)
        self.conv2 = nn.Conv2d(out, out, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(out)
        self.shortcut = nn.Sequential()
        if stride != 1 or channels != out:
            self.shortcut = nn.Sequential(
                nn.Conv2d(channels, out, 1, stride, bias=False), nn.BatchNorm2d(out)
            )

    def forward(self, x):
        y = F.relu(self.norm1(self.conv1(x)))
        return F.relu(self.norm2(self.conv2(y)) + self.shortcut(x))


def double_conv(channels, out):
    """Two 3x3 convolutions, the node of the grid."""
    return nn.Sequential(
        nn.Conv2d(channels, out, 3, padding=1, bias=False),
        nn.BatchNorm2d(out),
        nn.ReLU(),
        nn.Conv2d(out, out, 3, padding=1, bias=False),
        nn.BatchNorm2d(out),
        nn.ReLU(),
    )


class Model(nn.Module):
    """U-Net++: every skip of a U-Net is a row of nodes; a node reads its whole row and the row below.

    Row r of the grid has 2^-(r+1) of the input's resolution. dense: logits of each pixel, not of the image.
    """

    def __init__(
        self,
        input_shape,
        num_classes,
        width=1.0,
        widths=(64, 64, 128, 256, 512),
        blocks=(2, 2, 2, 2),
        decoder=(256, 128, 64, 32, 16),
        dense=False,
    ):
        super().__init__()
        self.dense = dense
        widths = [max(1, round(width * size)) for size in widths]
        decoder = [max(1, round(width * size)) for size in decoder]
        self.stem = nn.Sequential(
            nn.Conv2d(input_shape[0], widths[0], 7, 2, 3, bias=False), nn.BatchNorm2d(widths[0]), nn.ReLU()
        )
        stages = []
        for i, count in enumerate(blocks):
            units = [Residual(widths[i], widths[i + 1], 1 if i == 0 else 2)]
            units += [Residual(widths[i + 1], widths[i + 1], 1) for _ in range(count - 1)]
            stages.append(nn.Sequential(*units))
        self.stages = nn.ModuleList(stages)
        self.rows = len(blocks)
        self.nodes = nn.ModuleDict()
        for row in reversed(range(self.rows)):
            for column in range(1, self.rows - row + 1):
                last = column == self.rows - row
                below = decoder[column - 2] if last and column > 1 else widths[row + 1]
                out = decoder[column - 1] if last else widths[row]
                self.nodes[f"{row}_{column}"] = double_conv(below + column * widths[row], out)
        self.last = double_conv(decoder[-2], decoder[-1])
        self.head = nn.Conv2d(decoder[-1], num_classes, 3, padding=1)

    def forward(self, x):
        grid = {(0, 0): self.stem(x)}
        x = F.max_pool2d(grid[0, 0], 3, 2, 1)
        for row, stage in enumerate(self.stages, start=1):
            x = grid[row, 0] = stage(x)
        for column in range(1, self.rows + 1):
            for row in reversed(range(self.rows + 1 - column)):
                below = F.interpolate(grid[row + 1, column - 1], scale_factor=2)
                left = [grid[row, i] for i in reversed(range(column))]
                grid[row, column] = self.nodes[f"{row}_{column}"](torch.cat([below, *left], 1))
        x = self.last(F.interpolate(grid[0, self.rows], scale_factor=2))
        x = self.head(x)
        return x if self.dense else x.mean((2, 3))
