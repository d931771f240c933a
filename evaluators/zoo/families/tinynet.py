from torch import nn

# Expansion, kernel, stride, channels and blocks of each stage of EfficientNet-B0.
STAGES = (
    (1, 3, 1, 16, 1),
    (6, 3, 2, 24, 2),
    (6, 5, 2, 40, 2),
    (6, 3, 2, 80, 3),
    (6, 5, 1, 112, 3),
    (6, 5, 2, 192, 4),
    (6, 3, 1, 320, 1),
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
            nn.Conv2d(channels, squeezed, 1), nn.SiLU(), nn.Conv2d(squeezed, channels, 1), nn.Sigmoid()
        )

    def forward(self, x):
        return x * self.weigh(x.mean((2, 3), keepdim=True))


class Block(nn.Module):
    """Expands the channels, convolves each, weighs them, projects back; a shortcut where the shapes agree."""

    def __init__(self, inputs, outputs, expansion, kernel, stride):
        super().__init__()
        hidden = inputs * expansion
        layers = [*conv_norm(inputs, hidden), nn.SiLU()] if expansion > 1 else []
        layers += [*conv_norm(hidden, hidden, kernel, stride, hidden), nn.SiLU()]
        layers += [SqueezeExcite(hidden, max(1, inputs // 4)), *conv_norm(hidden, outputs)]
        self.body = nn.Sequential(*layers)
        self.shortcut = inputs == outputs and stride == 1

    def forward(self, x):
        return x + self.body(x) if self.shortcut else self.body(x)


class Model(nn.Module):
    """TinyNet-A: EfficientNet-B0 shrunk; its stem and head keep their size and blocks are rounded."""

    def __init__(
        self,
        input_shape,
        num_classes,
        width=1.0,
        depth=1.2,
        stages=STAGES,
        stem=32,
        head=1280,
        stem_stride=2,
        divisor=8,
    ):
        super().__init__()
        inputs = stem
        layers = [*conv_norm(input_shape[0], inputs, 3, stem_stride), nn.SiLU()]
        for expansion, kernel, stride, channels, blocks in stages:
            outputs = scaled(channels, width, divisor)
            for i in range(max(1, round(blocks * depth))):
                layers.append(Block(inputs, outputs, expansion, kernel, stride if i == 0 else 1))
                inputs = outputs
        self.features = nn.Sequential(*layers, *conv_norm(inputs, head), nn.SiLU())
        self.head = nn.Linear(head, num_classes)

    def forward(self, x):
        return self.head(self.features(x).mean((2, 3)))
