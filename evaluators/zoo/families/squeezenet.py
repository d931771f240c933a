import torch
from torch import nn


def conv(inputs, outputs, kernel=1, stride=1, padding=0, norm=False):
    layers = [nn.Conv2d(inputs, outputs, kernel, stride, padding)]
    return nn.Sequential(*layers, *([nn.BatchNorm2d(outputs)] if norm else []), nn.ReLU())


class Fire(nn.Module):
    """Squeezes to few channels, then expands them by 1 x 1 and 3 x 3 convolutions side by side."""

    def __init__(self, inputs, squeezed, expanded1, expanded3, norm):
        super().__init__()
        self.squeeze = conv(inputs, squeezed, norm=norm)
        self.expand1 = conv(squeezed, expanded1, norm=norm)
        self.expand3 = conv(squeezed, expanded3, 3, padding=1, norm=norm)

    def forward(self, x):
        x = self.squeeze(x)
        return torch.cat([self.expand1(x), self.expand3(x)], dim=1)


class Model(nn.Module):
    """SqueezeNet: fire modules that grow by `increment` channels after every `every` of them.

    `pools`: the fire modules (from 0) before which the image is halved. `norm`: batch norms, which the paper
    does without; at high learning rates it does not learn without them.
    """

    def __init__(
        self,
        input_shape,
        num_classes,
        width=1.0,
        fires=8,
        base=128,
        increment=128,
        every=2,
        squeeze_ratio=0.125,
        share_of_3x3=0.5,
        pools=(0, 2, 4),
        stem=64,
        stem_kernel=3,
        stem_stride=2,
        norm=False,
    ):
        super().__init__()
        channels = round(stem * width)
        layers = [conv(input_shape[0], channels, stem_kernel, stem_stride, norm=norm)]
        for i in range(fires):
            if i in pools:
                layers.append(nn.MaxPool2d(3, 2, ceil_mode=True))
            expanded = round((base + increment * (i // every)) * width)
            expanded3 = round(expanded * share_of_3x3)
            squeezed = max(1, round(expanded * squeeze_ratio))
            layers.append(Fire(channels, squeezed, expanded - expanded3, expanded3, norm))
            channels = expanded
        self.features = nn.Sequential(*layers)
        self.classify = conv(channels, num_classes)

    def forward(self, x):
        return self.classify(self.features(x)).mean((2, 3))
