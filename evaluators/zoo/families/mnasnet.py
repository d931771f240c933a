from torch import nn

# Expansion, kernel, stride, channels and blocks of each stage of MnasNet-B1.
STAGES = (
    (3, 3, 2, 24, 3),
    (3, 5, 2, 40, 3),
    (6, 5, 2, 80, 3),
    (6, 3, 1, 96, 2),
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


def separable(inputs, outputs):
    return [*conv_norm(inputs, inputs, 3, groups=inputs), nn.ReLU(), *conv_norm(inputs, outputs)]


class Block(nn.Module):
    """Expands the channels, convolves each, projects back; a shortcut where the shapes agree."""

    def __init__(self, inputs, outputs, expansion, kernel, stride):
        super().__init__()
        hidden = inputs * expansion
        self.body = nn.Sequential(
            *conv_norm(inputs, hidden),
            nn.ReLU(),
            *conv_norm(hidden, hidden, kernel, stride, hidden),
            nn.ReLU(),
            *conv_norm(hidden, outputs),
        )
        self.shortcut = inputs == outputs and stride == 1

    def forward(self, x):
        return x + self.body(x) if self.shortcut else self.body(x)


class Model(nn.Module):
    """MnasNet-B1 with `width` times the channels; the head keeps its size."""

    def __init__(
        self,
        input_shape,
        num_classes,
        width=1.0,
        stages=STAGES,
        stem=32,
        first=16,
        head=1280,
        stem_stride=2,
        divisor=8,
    ):
        super().__init__()
        stem = scaled(stem, width, divisor)
        inputs = scaled(first, width, divisor)
        layers = [*conv_norm(input_shape[0], stem, 3, stem_stride), nn.ReLU(), *separable(stem, inputs)]
        for expansion, kernel, stride, channels, blocks in stages:
            outputs = scaled(channels, width, divisor)
            for i in range(blocks):
                layers.append(Block(inputs, outputs, expansion, kernel, stride if i == 0 else 1))
                inputs = outputs
        self.features = nn.Sequential(*layers, *conv_norm(inputs, head), nn.ReLU())
        self.head = nn.Linear(head, num_classes)

    def forward(self, x):
        return self.head(self.features(x).mean((2, 3)))
