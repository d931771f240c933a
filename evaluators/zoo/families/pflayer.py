import torch.nn as nn
import torch.nn.functional as F


class Bottleneck(nn.Module):
    """ResNet's bottleneck whose 3x3 convolution is replaced by an operation without parameters.

    kind: "conv" (ResNet), "max" (3x3 max pooling) or "hybrid" (max pooling, and where the block halves the
    map an average of 2x2 before a 3x3 convolution).
    """

    def __init__(self, channels, mid, stride, kind, expansion):
        super().__init__()
        out = mid * expansion
        self.reduce = nn.Sequential(nn.Conv2d(channels, mid, 1, bias=False), nn.BatchNorm2d(mid), nn.ReLU())
        if kind == "max" or (kind == "hybrid" and stride == 1):
            self.spatial = nn.MaxPool2d(3, stride, 1)
        else:
            pool = nn.AvgPool2d(stride) if kind == "hybrid" else nn.Identity()
            conv = nn.Conv2d(mid, mid, 3, 1 if kind == "hybrid" else stride, 1, bias=False)
            self.spatial = nn.Sequential(pool, conv, nn.BatchNorm2d(mid), nn.ReLU())
        self.expand = nn.Sequential(nn.Conv2d(mid, out, 1, bias=False), nn.BatchNorm2d(out))
        self.shortcut = nn.Sequential()
        if stride != 1 or channels != out:
            self.shortcut = nn.Sequential(
                nn.Conv2d(channels, out, 1, stride, bias=False), nn.BatchNorm2d(out)
            )

    def forward(self, x):
        return F.relu(self.expand(self.spatial(self.reduce(x))) + self.shortcut(x))


class Model(nn.Module):
    """ResNet with parameter-free layers: max pooling looks around, only 1x1 convolutions learn."""

    def __init__(
        self,
        input_shape,
        num_classes,
        width=1.0,
        kind="max",
        depths=(3, 4, 6, 3),
        widths=(64, 128, 256, 512),
        expansion=4,
        stem=(64, 7, 2),
        stem_pool=True,
    ):
        super().__init__()
        channels, kernel, stride = stem
        channels = max(1, round(width * channels))
        layers = [
            nn.Conv2d(input_shape[0], channels, kernel, stride, kernel // 2, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
        ]
        if stem_pool:
            layers.append(nn.MaxPool2d(3, 2, 1))
        for stage, (depth, mid) in enumerate(zip(depths, widths, strict=True)):
            mid = max(1, round(width * mid))
            for i in range(depth):
                halve = 2 if stage and i == 0 else 1
                layers.append(Bottleneck(channels, mid, halve, kind, expansion))
                channels = mid * expansion
        self.layers = nn.Sequential(*layers)
        self.head = nn.Linear(channels, num_classes)

    def forward(self, x):
        return self.head(self.layers(x).mean((2, 3)))
