from torch import nn

# Channels, first stride and kind of activation of each stage of network A, and expansion, kernel and
# squeeze-and-excitation of each of its blocks.
STAGES = (
    (24, 2, "relu", ((3, 5, False), (3, 5, True))),
    (40, 2, "relu", ((3, 5, False), (6, 5, True))),
    (80, 2, "hswish", ((6, 5, True), (6, 5, True))),
    (112, 1, "hswish", ((6, 5, True), (6, 5, True))),
    (192, 2, "hswish", ((6, 5, True), (6, 5, True))),
)


def activation(kind):
    return nn.Hardswish() if kind == "hswish" else nn.ReLU()


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
            nn.Conv2d(channels, squeezed, 1), nn.ReLU(), nn.Conv2d(squeezed, channels, 1), nn.Hardsigmoid()
        )

    def forward(self, x):
        return x * self.weigh(x.mean((2, 3), keepdim=True))


class Block(nn.Module):
    """Expands the channels, convolves each, projects back; a shortcut where the shapes agree."""

    def __init__(self, inputs, outputs, expansion, kernel, stride, kind, squeeze, divisor):
        super().__init__()
        hidden = inputs * expansion
        layers = [*conv_norm(inputs, hidden), activation(kind)]
        layers += [*conv_norm(hidden, hidden, kernel, stride, hidden), activation(kind)]
        if squeeze:
            layers.append(SqueezeExcite(hidden, scaled(hidden, 0.25, divisor)))
        self.body = nn.Sequential(*layers, *conv_norm(hidden, outputs))
        self.shortcut = inputs == outputs and stride == 1

    def forward(self, x):
        return x + self.body(x) if self.shortcut else self.body(x)


class Model(nn.Module):
    """HardCoRe-NAS: blocks chosen one by one under a hard limit on latency; `width` times the channels."""

    def __init__(
        self,
        input_shape,
        num_classes,
        width=1.0,
        stages=STAGES,
        stem=32,
        first=16,
        last=960,
        head=1280,
        stem_stride=2,
        divisor=8,
    ):
        super().__init__()
        stem, inputs = scaled(stem, width, divisor), scaled(first, width, divisor)
        layers = [*conv_norm(input_shape[0], stem, 3, stem_stride), nn.Hardswish()]
        layers += [*conv_norm(stem, stem, 3, groups=stem), nn.ReLU(), *conv_norm(stem, inputs)]
        for channels, stride, kind, blocks in stages:
            outputs = scaled(channels, width, divisor)
            for i, (expansion, kernel, squeeze) in enumerate(blocks):
                first_stride = stride if i == 0 else 1
                layers.append(Block(inputs, outputs, expansion, kernel, first_stride, kind, squeeze, divisor))
                inputs = outputs
        last, head = scaled(last, width, divisor), scaled(head, width, divisor)
        self.features = nn.Sequential(*layers, *conv_norm(inputs, last), nn.Hardswish())
        self.head = nn.Sequential(nn.Linear(last, head), nn.Hardswish(), nn.Linear(head, num_classes))

    def forward(self, x):
        return self.head(self.features(x).mean((2, 3)))
