from torch import nn

# Channels and first stride of each stage of FBNet-C, and expansion and kernel of each of its blocks.
STAGES = (
    (16, 1, ((1, 3),)),
    (24, 2, ((6, 3), (1, 3), (1, 3))),
    (32, 2, ((6, 5), (3, 5), (6, 5), (6, 3))),
    (64, 2, ((6, 5), (3, 5), (6, 5), (6, 5))),
    (112, 1, ((6, 5), (6, 5), (6, 5), (3, 5))),
    (184, 2, ((6, 5), (6, 5), (6, 5), (6, 5))),
    (352, 1, ((6, 3),)),
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
    """FBNet-C: each block was chosen alone, by a differentiable search."""

    def __init__(
        self, input_shape, num_classes, width=1.0, stages=STAGES, stem=16, head=1984, stem_stride=2, divisor=8
    ):
        super().__init__()
        inputs = scaled(stem, width, divisor)
        layers = [*conv_norm(input_shape[0], inputs, 3, stem_stride), nn.ReLU()]
        for channels, stride, blocks in stages:
            outputs = scaled(channels, width, divisor)
            for i, (expansion, kernel) in enumerate(blocks):
                layers.append(Block(inputs, outputs, expansion, kernel, stride if i == 0 else 1))
                inputs = outputs
        self.features = nn.Sequential(*layers, *conv_norm(inputs, head), nn.ReLU())
        self.head = nn.Linear(head, num_classes)

    def forward(self, x):
        return self.head(self.features(x).mean((2, 3)))
