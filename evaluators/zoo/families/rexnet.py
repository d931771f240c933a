import math

from torch import nn


def conv_norm(inputs, outputs, kernel=1, stride=1, groups=1):
    return [
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
    ]


class SqueezeExcite(nn.Module):
    """Weighs each channel by what all channels are on average."""

    def __init__(self, channels, squeezed):
        super().__init__()
        self.weigh = nn.Sequential(
            nn.Conv2d(channels, squeezed, 1),
            nn.BatchNorm2d(squeezed),
            nn.ReLU(),
            nn.Conv2d(squeezed, channels, 1),
            nn.Sigmoid(),
        )

    def forward(self, x):
        return x * self.weigh(x.mean((2, 3), keepdim=True))


class Block(nn.Module):
    """An inverted bottleneck; its inputs are added to the first of its outputs at equal image size."""

    def __init__(self, inputs, outputs, expansion, stride, squeeze):
        super().__init__()
        hidden = inputs * expansion
        layers = [*conv_norm(inputs, hidden), nn.SiLU()] if expansion > 1 else []
        layers += conv_norm(hidden, hidden, 3, stride, hidden)
        if squeeze:
            layers.append(SqueezeExcite(hidden, max(1, hidden // squeeze)))
        self.body = nn.Sequential(*layers, nn.ReLU6(), *conv_norm(hidden, outputs))
        self.shortcut = stride == 1 and inputs <= outputs

    def forward(self, x):
        y = self.body(x)
        if self.shortcut:
            y = y + nn.functional.pad(x, (0, 0, 0, 0, 0, y.shape[1] - x.shape[1]))
        return y


class Model(nn.Module):
    """ReXNet: channels grow in a straight line from block to block, against the representational bottleneck.

    `squeeze`: the ratio of squeeze-and-excitation, from stage `squeeze_from` on.
    """

    def __init__(
        self,
        input_shape,
        num_classes,
        width=1.0,
        depth=1.0,
        stem=32,
        first=16,
        growth=180,
        depths=(1, 2, 2, 3, 3, 5),
        strides=(1, 2, 2, 2, 1, 2),
        expansion=6,
        squeeze=12,
        squeeze_from=2,
        head=1280,
        stem_stride=2,
    ):
        super().__init__()
        depths = [math.ceil(blocks * depth) for blocks in depths]
        inputs = max(1, round(stem * width)) if width > 1 else stem
        layers = [*conv_norm(input_shape[0], inputs, 3, stem_stride), nn.SiLU()]
        channels, step = first * width, growth * width / sum(depths)
        for stage, (blocks, stride) in enumerate(zip(depths, strides, strict=True)):
            ratio = squeeze if stage >= squeeze_from else 0
            for i in range(blocks):
                outputs = max(1, round(channels))
                expanded = expansion if len(layers) > 3 else 1
                layers.append(Block(inputs, outputs, expanded, stride if i == 0 else 1, ratio))
                inputs = outputs
                channels += step
        head = max(1, int(head * width))
        self.features = nn.Sequential(*layers, *conv_norm(inputs, head), nn.SiLU())
        self.head = nn.Linear(head, num_classes)

    def forward(self, x):
        return self.head(self.features(x).mean((2, 3)))
