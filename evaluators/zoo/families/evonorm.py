import math

import torch
from torch import nn


class EvoNormB0(nn.Module):
    """Normalises by the larger of the batch's deviation and of the image's own plus v x, then scales.

    It takes the place of a norm and its activation.
    """

    def __init__(self, channels, groups, eps=1e-3, momentum=0.1):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.v = nn.Parameter(torch.ones(channels))
        self.register_buffer("running_var", torch.ones(channels))
        self.eps, self.momentum = eps, momentum

    def forward(self, x):
        variance = self.running_var
        if self.training:
            variance = x.var((0, 2, 3), unbiased=False)
            count = x.numel() / x.shape[1]
            grown = variance.detach() * count / max(1, count - 1)
            self.running_var.copy_(self.running_var + self.momentum * (grown - self.running_var))
        own = (x.var((2, 3), unbiased=False, keepdim=True) + self.eps).sqrt()
        deviation = (variance[:, None, None] + self.eps).sqrt()
        x = x / torch.maximum(deviation, self.v[:, None, None] * x + own)
        return x * self.weight[:, None, None] + self.bias[:, None, None]


class EvoNormS0(nn.Module):
    """x sigmoid(v x), divided by the deviation of its group of channels, then scaled: no batch statistics."""

    def __init__(self, channels, groups, eps=1e-5):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.v = nn.Parameter(torch.ones(channels))
        self.groups, self.eps = math.gcd(groups, channels), eps

    def forward(self, x):
        grouped = x.unflatten(1, (self.groups, -1))
        deviation = (grouped.var((2, 3, 4), unbiased=False, keepdim=True) + self.eps).sqrt()
        x = x * (x * self.v[:, None, None]).sigmoid()
        x = (x.unflatten(1, (self.groups, -1)) / deviation).flatten(1, 2)
        return x * self.weight[:, None, None] + self.bias[:, None, None]


class Block(nn.Module):
    """Norm and convolution three times, 1 x 1, 3 x 3, 1 x 1; the shortcut starts after the first norm."""

    def __init__(self, inputs, outputs, stride, norm, groups):
        super().__init__()
        hidden = outputs // 4
        self.norm = norm(inputs, groups)
        self.shortcut = None
        if inputs != outputs or stride != 1:
            pool = nn.AvgPool2d(stride, stride, ceil_mode=True, count_include_pad=False)
            self.shortcut = nn.Sequential(pool, nn.Conv2d(inputs, outputs, 1, bias=False))
        self.body = nn.Sequential(
            nn.Conv2d(inputs, hidden, 1, bias=False),
            norm(hidden, groups),
            nn.Conv2d(hidden, hidden, 3, stride, 1, bias=False),
            norm(hidden, groups),
            nn.Conv2d(hidden, outputs, 1, bias=False),
        )

    def forward(self, x):
        y = self.norm(x)
        if self.shortcut is not None:
            x = self.shortcut(y)
        return x + self.body(y)


class Model(nn.Module):
    """A residual network before whose convolutions EvoNorm stands: `norm` is "B0" or "S0"."""

    def __init__(
        self,
        input_shape,
        num_classes,
        width=1.0,
        norm="S0",
        depths=(3, 4, 6, 3),
        channels=256,
        groups=32,
        stem_stride=2,
        pool_stride=2,
        strides=(1, 2, 2, 2),
    ):
        super().__init__()
        norm = EvoNormB0 if norm == "B0" else EvoNormS0
        stem, inputs = max(1, round(channels * width / 8)), max(1, round(channels * width / 4))
        layers = [nn.Conv2d(input_shape[0], stem, 3, stem_stride, 1, bias=False), norm(stem, groups)]
        layers += [nn.Conv2d(stem, stem, 3, padding=1, bias=False), norm(stem, groups)]
        layers += [nn.Conv2d(stem, inputs, 3, padding=1, bias=False), nn.MaxPool2d(3, pool_stride, 1)]
        for stage, (blocks, first_stride) in enumerate(zip(depths, strides, strict=True)):
            for i in range(blocks):
                outputs = 4 * max(1, round(channels * width * 2**stage / 4))
                layers.append(Block(inputs, outputs, first_stride if i == 0 else 1, norm, groups))
                inputs = outputs
        self.features = nn.Sequential(*layers, norm(inputs, groups))
        self.head = nn.Linear(inputs, num_classes)

    def forward(self, x):
        return self.head(self.features(x).mean((2, 3)))
