import torch
from torch import nn


def conv_norm(inputs, outputs, kernel=1, stride=1, groups=1):
    return [
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
    ]


def shuffle(x):
    """Interleaves the channels of both halves."""
    return x.unflatten(1, (2, -1)).transpose(1, 2).flatten(1, 2)


class Block(nn.Module):
    """Half of the channels pass untouched, the other half is convolved; then both are shuffled."""

    def __init__(self, channels):
        super().__init__()
        half = channels // 2
        self.branch = nn.Sequential(
            *conv_norm(half, half),
            nn.ReLU(),
            *conv_norm(half, half, 3, groups=half),
            *conv_norm(half, half),
            nn.ReLU(),
        )

    def forward(self, x):
        kept, convolved = x.chunk(2, dim=1)
        return shuffle(torch.cat([kept, self.branch(convolved)], dim=1))


class Down(nn.Module):
    """Both branches see all channels; each makes half of the outputs."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        half = outputs // 2
        self.left = nn.Sequential(
            *conv_norm(inputs, inputs, 3, stride, groups=inputs), *conv_norm(inputs, half), nn.ReLU()
        )
        self.right = nn.Sequential(
            *conv_norm(inputs, half),
            nn.ReLU(),
            *conv_norm(half, half, 3, stride, groups=half),
            *conv_norm(half, half),
            nn.ReLU(),
        )

    def forward(self, x):
        return shuffle(torch.cat([self.left(x), self.right(x)], dim=1))


class Model(nn.Module):
    """ShuffleNetV2: equal widths, channel split and shuffle. `pool_stride`: of the pooling after the stem."""

    def __init__(
        self,
        input_shape,
        num_classes,
        width=1.0,
        channels=(116, 232, 464),
        depths=(4, 8, 4),
        stem=24,
        head=1024,
        stem_stride=2,
        pool_stride=2,
        strides=(2, 2, 2),
    ):
        super().__init__()
        inputs, head = max(1, round(stem * width)), max(1, round(head * width))
        layers = [
            *conv_norm(input_shape[0], inputs, 3, stem_stride),
            nn.ReLU(),
            nn.MaxPool2d(3, pool_stride, 1),
        ]
        for wanted, depth, stride in zip(channels, depths, strides, strict=True):
            outputs = max(2, 2 * round(wanted * width / 2))
            layers.append(Down(inputs, outputs, stride))
            layers += [Block(outputs) for _ in range(depth - 1)]
            inputs = outputs
        self.features = nn.Sequential(*layers, *conv_norm(inputs, head), nn.ReLU())
        self.head = nn.Linear(head, num_classes)

    def forward(self, x):
        return self.head(self.features(x).mean((2, 3)))
