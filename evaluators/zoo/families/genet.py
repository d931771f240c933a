from torch import nn

# Kind, channels, blocks, stride and inner width of each stage of GENet-light.
STAGES = (
    ("full", 48, 1, 2, 1.0),
    ("full", 48, 3, 2, 1.0),
    ("bottleneck", 384, 7, 2, 0.25),
    ("depthwise", 560, 2, 2, 3.0),
    ("depthwise", 256, 1, 1, 3.0),
)


def conv_norm(inputs, outputs, kernel=1, stride=1, groups=1):
    return [
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
    ]


class Block(nn.Module):
    """full: two 3 x 3 convolutions; bottleneck and depthwise: 1 x 1, 3 x 3 and 1 x 1."""

    def __init__(self, kind, inputs, outputs, stride, inner):
        super().__init__()
        hidden = max(1, round(outputs * inner))
        groups = hidden if kind == "depthwise" else 1
        if kind == "full":
            layers = [*conv_norm(inputs, hidden, 3, stride), nn.ReLU(), *conv_norm(hidden, outputs, 3)]
        else:
            layers = [*conv_norm(inputs, hidden), nn.ReLU(), *conv_norm(hidden, hidden, 3, stride, groups)]
            layers += [nn.ReLU(), *conv_norm(hidden, outputs)]
        self.body = nn.Sequential(*layers)
        self.shortcut = nn.Identity()
        if inputs != outputs or stride != 1:
            self.shortcut = nn.Sequential(*conv_norm(inputs, outputs, 1, stride))

    def forward(self, x):
        return nn.functional.relu(self.body(x) + self.shortcut(x))


class Model(nn.Module):
    """GENet: full convolutions early, bottlenecks in the middle, depthwise convolutions late."""

    def __init__(self, input_shape, num_classes, width=1.0, stages=STAGES, stem=13, head=1920, stem_stride=2):
        super().__init__()
        inputs = max(1, round(stem * width))
        layers = [*conv_norm(input_shape[0], inputs, 3, stem_stride), nn.ReLU()]
        for kind, channels, blocks, stride, inner in stages:
            outputs = max(1, round(channels * width))
            for i in range(blocks):
                layers.append(Block(kind, inputs, outputs, stride if i == 0 else 1, inner))
                inputs = outputs
        head = max(1, round(head * width))
        self.features = nn.Sequential(*layers, *conv_norm(inputs, head), nn.ReLU())
        self.head = nn.Linear(head, num_classes)

    def forward(self, x):
        return self.head(self.features(x).mean((2, 3)))
