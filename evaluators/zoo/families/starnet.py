from torch import nn
from torch.nn.functional import relu6


def conv_norm(inputs, outputs, kernel=1, stride=1, groups=1):
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups), nn.BatchNorm2d(outputs)
    )


class Block(nn.Module):
    """The star operation: two linear maps of one input, multiplied element by element."""

    def __init__(self, channels, ratio, kernel):
        super().__init__()
        hidden = round(channels * ratio)
        self.mix = conv_norm(channels, channels, kernel, groups=channels)
        self.left = nn.Conv2d(channels, hidden, 1)
        self.right = nn.Conv2d(channels, hidden, 1)
        self.project = conv_norm(hidden, channels)
        self.mix2 = nn.Conv2d(channels, channels, kernel, padding=kernel // 2, groups=channels)

    def forward(self, x):
        y = self.mix(x)
        y = relu6(self.left(y)) * self.right(y)
        return x + self.mix2(self.project(y))


class Model(nn.Module):
    """StarNet: four stages, each halves the image and doubles the channels."""

    def __init__(
        self,
        input_shape,
        num_classes,
        width=1.0,
        channels=24,
        depths=(2, 2, 8, 3),
        ratio=4,
        kernel=7,
        stem=32,
        stem_stride=2,
        strides=(2, 2, 2, 2),
    ):
        super().__init__()
        inputs = max(1, round(stem * width))
        layers = [conv_norm(input_shape[0], inputs, 3, stem_stride), nn.ReLU6()]
        for i, (depth, stride) in enumerate(zip(depths, strides, strict=True)):
            outputs = max(1, round(channels * 2**i * width))
            layers.append(conv_norm(inputs, outputs, 3, stride))
            layers += [Block(outputs, ratio, kernel) for _ in range(depth)]
            inputs = outputs
        self.features = nn.Sequential(*layers, nn.BatchNorm2d(inputs))
        self.head = nn.Linear(inputs, num_classes)

    def forward(self, x):
        return self.head(self.features(x).mean((2, 3)))
