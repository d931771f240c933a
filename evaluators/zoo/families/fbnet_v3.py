from torch import nn

# Expansion, kernel, stride, channels, blocks and squeeze-and-excitation of each row of FBNetV3-B.
STAGES = (
    (1, 3, 1, 16, 2, False),
    (4, 5, 2, 24, 1, False),
    (2, 5, 1, 24, 3, False),
    (5, 5, 2, 40, 1, True),
    (3, 5, 1, 40, 4, True),
    (5, 5, 2, 72, 1, False),
    (3, 3, 1, 72, 4, False),
    (5, 3, 1, 120, 1, True),
    (3, 5, 1, 120, 5, True),
    (6, 3, 2, 184, 1, True),
    (4, 5, 1, 184, 5, True),
    (6, 5, 1, 224, 1, True),
)


def scaled(channels, width, divisor):
    """Channels times width, rounded to a multiple of divisor, and at least nine tenths of it."""
    rounded = max(divisor, int(channels * width + divisor / 2) // divisor * divisor)
    return rounded if rounded >= 0.9 * channels * width else rounded + divisor


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
            nn.Hardswish(),
            nn.Conv2d(squeezed, channels, 1),
            nn.Hardsigmoid(),
        )

    def forward(self, x):
        return x * self.weigh(x.mean((2, 3), keepdim=True))


class Block(nn.Module):
    """Expands the channels, convolves each, projects back; a shortcut where the shapes agree."""

    def __init__(self, inputs, outputs, expansion, kernel, stride, squeeze, divisor):
        super().__init__()
        hidden = inputs * expansion
        layers = [*conv_norm(inputs, hidden), nn.Hardswish()] if expansion > 1 else []
        layers += [*conv_norm(hidden, hidden, kernel, stride, hidden), nn.Hardswish()]
        if squeeze:
            layers.append(SqueezeExcite(hidden, scaled(inputs, 0.25, divisor)))
        self.body = nn.Sequential(*layers, *conv_norm(hidden, outputs))
        self.shortcut = inputs == outputs and stride == 1

    def forward(self, x):
        return x + self.body(x) if self.shortcut else self.body(x)


class Model(nn.Module):
    """FBNetV3-B: the first block of a stage expands more than the rest."""

    def __init__(
        self,
        input_shape,
        num_classes,
        width=1.0,
        stages=STAGES,
        stem=16,
        expansion=6,
        head=1984,
        stem_stride=2,
        divisor=8,
    ):
        super().__init__()
        inputs = scaled(stem, width, divisor)
        layers = [*conv_norm(input_shape[0], inputs, 3, stem_stride), nn.Hardswish()]
        for expanded, kernel, stride, channels, blocks, squeeze in stages:
            outputs = scaled(channels, width, divisor)
            for i in range(blocks):
                layers.append(
                    Block(inputs, outputs, expanded, kernel, stride if i == 0 else 1, squeeze, divisor)
                )
                inputs = outputs
        last, head = inputs * expansion, scaled(head, width, divisor)
        self.features = nn.Sequential(*layers, *conv_norm(inputs, last), nn.Hardswish())
        self.head = nn.Sequential(
            nn.Linear(last, head, bias=False), nn.Hardswish(), nn.Linear(head, num_classes)
        )

    def forward(self, x):
        return self.head(self.features(x).mean((2, 3)))
