from torch import nn

# Channels and first stride of each stage of the mobile network, and expansion and kernel of its blocks.
STAGES = (
    (32, 2, ((3, 5), (3, 3))),
    (40, 2, ((3, 7), (3, 3), (3, 5), (3, 5))),
    (80, 2, ((6, 7), (3, 5), (3, 5), (3, 5))),
    (96, 1, ((6, 5), (3, 5), (3, 5), (3, 5))),
    (192, 2, ((6, 7), (6, 7), (3, 7), (3, 7))),
    (320, 1, ((6, 7),)),
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


class Block(nn.Module):
    """Expands the channels, convolves each, projects back; a shortcut where the shapes agree."""

    def __init__(self, inputs, outputs, expansion, kernel, stride):
        super().__init__()
        hidden = inputs * expansion
        self.body = nn.Sequential(
            *conv_norm(inputs, hidden),
            nn.ReLU6(),
            *conv_norm(hidden, hidden, kernel, stride, hidden),
            nn.ReLU6(),
            *conv_norm(hidden, outputs),
        )
        self.shortcut = inputs == outputs and stride == 1

    def forward(self, x):
        return x + self.body(x) if self.shortcut else self.body(x)


def separable(inputs, outputs):
    return [*conv_norm(inputs, inputs, 3, groups=inputs), nn.ReLU6(), *conv_norm(inputs, outputs)]


class Model(nn.Module):
    """ProxylessNAS: large kernels, most of all where a stage starts; skipped blocks are left out."""

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
        layers = [*conv_norm(input_shape[0], stem, 3, stem_stride), nn.ReLU6(), *separable(stem, inputs)]
        for channels, stride, blocks in stages:
            outputs = scaled(channels, width, divisor)
            for i, (expansion, kernel) in enumerate(blocks):
                layers.append(Block(inputs, outputs, expansion, kernel, stride if i == 0 else 1))
                inputs = outputs
        self.features = nn.Sequential(*layers, *conv_norm(inputs, head), nn.ReLU6())
        self.head = nn.Linear(head, num_classes)

    def forward(self, x):
        return self.head(self.features(x).mean((2, 3)))
