import math

from torch import nn

# Fused or not, expansion, stride, channels and blocks of each stage of V2-S.
STAGES = (
    (True, 1, 1, 24, 2),
    (True, 4, 2, 48, 4),
    (True, 4, 2, 64, 4),
    (False, 4, 2, 128, 6),
    (False, 6, 1, 160, 9),
    (False, 6, 2, 256, 15),
)
EPSILON = 1e-3


def scaled(channels, width, divisor):
    """Channels times width, rounded to a multiple of divisor, and at least nine tenths of it."""
    rounded = max(divisor, int(channels * width + divisor / 2) // divisor * divisor)
    return rounded if rounded >= 0.9 * channels * width else rounded + divisor


def conv_norm(inputs, outputs, kernel=1, stride=1, groups=1):
    return [
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs, eps=EPSILON),
    ]


class SqueezeExcite(nn.Module):
    """Weighs each channel by what all channels are on average."""

    def __init__(self, channels, squeezed):
        super().__init__()
        self.weigh = nn.Sequential(
            nn.Conv2d(channels, squeezed, 1), nn.SiLU(), nn.Conv2d(squeezed, channels, 1), nn.Sigmoid()
        )

    def forward(self, x):
        return x * self.weigh(x.mean((2, 3), keepdim=True))


def mbconv(inputs, outputs, expansion, stride):
    hidden = inputs * expansion
    return nn.Sequential(
        *conv_norm(inputs, hidden),
        nn.SiLU(),
        *conv_norm(hidden, hidden, 3, stride, hidden),
        nn.SiLU(),
        SqueezeExcite(hidden, max(1, inputs // 4)),
        *conv_norm(hidden, outputs),
    )


def fused_mbconv(inputs, outputs, expansion, stride):
    """One full 3 x 3 convolution in place of the expansion and the depthwise one."""
    if expansion == 1:
        return nn.Sequential(*conv_norm(inputs, outputs, 3, stride), nn.SiLU())
    hidden = inputs * expansion
    return nn.Sequential(*conv_norm(inputs, hidden, 3, stride), nn.SiLU(), *conv_norm(hidden, outputs))


class Block(nn.Module):
    def __init__(self, body, shortcut):
        super().__init__()
        self.body = body
        self.shortcut = shortcut

    def forward(self, x):
        return x + self.body(x) if self.shortcut else self.body(x)


class Model(nn.Module):
    """EfficientNetV2: fused blocks first, then inverted bottlenecks with squeeze-and-excitation."""

    def __init__(
        self,
        input_shape,
        num_classes,
        width=1.0,
        depth=1.0,
        stages=STAGES,
        stem=24,
        head=1280,
        stem_stride=2,
        divisor=8,
    ):
        super().__init__()
        inputs = scaled(stem, width, divisor)
        layers = [*conv_norm(input_shape[0], inputs, 3, stem_stride), nn.SiLU()]
        for fused, expansion, first_stride, channels, blocks in stages:
            outputs = scaled(channels, width, divisor)
            for i in range(math.ceil(blocks * depth)):
                stride = first_stride if i == 0 else 1
                make = fused_mbconv if fused else mbconv
                shortcut = inputs == outputs and stride == 1
                layers.append(Block(make(inputs, outputs, expansion, stride), shortcut))
                inputs = outputs
        head = scaled(head, width, divisor)
        self.features = nn.Sequential(*layers, *conv_norm(inputs, head), nn.SiLU())
        self.head = nn.Linear(head, num_classes)

    def forward(self, x):
        return self.head(self.features(x).mean((2, 3)))
