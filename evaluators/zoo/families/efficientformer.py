import math

import torch
from torch import nn


def conv_norm(inputs, outputs, kernel=1, stride=1):
    return [nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2), nn.BatchNorm2d(outputs)]


class Scale(nn.Module):
    """Multiplies each channel by a learned number that starts small."""

    def __init__(self, scale, *shape):
        super().__init__()
        self.scale = nn.Parameter(scale * torch.ones(shape))

    def forward(self, x):
        return x * self.scale


class PoolBlock(nn.Module):
    """Mixes the image by a 3 x 3 average, then the channels by two convolutions."""

    def __init__(self, channels, ratio, scale):
        super().__init__()
        self.pool = nn.AvgPool2d(3, 1, 1, count_include_pad=False)
        self.scale = Scale(scale, channels, 1, 1)
        self.mlp = nn.Sequential(
            *conv_norm(channels, channels * ratio),
            nn.GELU(),
            *conv_norm(channels * ratio, channels),
            Scale(scale, channels, 1, 1),
        )

    def forward(self, x):
        x = x + self.scale(self.pool(x) - x)
        return x + self.mlp(x)


class Attention(nn.Module):
    """Attention over all places, with a learned bias for each distance; values are wider than keys."""

    def __init__(self, channels, size, heads, key_size, value_size):
        super().__init__()
        self.heads, self.sizes = heads, (key_size, key_size, value_size)
        self.qkv = nn.Linear(channels, heads * sum(self.sizes))
        self.project = nn.Linear(heads * value_size, channels)
        self.biases = nn.Parameter(torch.zeros(heads, size[0] * size[1]))
        rows = torch.arange(size[0]).repeat_interleave(size[1])
        columns = torch.arange(size[1]).repeat(size[0])
        distances = (rows[:, None] - rows).abs() * size[1] + (columns[:, None] - columns).abs()
        self.register_buffer("distances", distances, persistent=False)

    def forward(self, x):
        parts = self.qkv(x).unflatten(2, (self.heads, -1)).transpose(1, 2)
        query, key, value = parts.split(self.sizes, dim=3)
        weights = query @ key.transpose(2, 3) / math.sqrt(self.sizes[0]) + self.biases[:, self.distances]
        return self.project((weights.softmax(3) @ value).transpose(1, 2).flatten(2))


class AttentionBlock(nn.Module):
    """A transformer block on (batch, places, channels)."""

    def __init__(self, channels, size, ratio, scale, heads, key_size, value_size):
        super().__init__()
        self.attention = nn.Sequential(
            nn.LayerNorm(channels),
            Attention(channels, size, heads, key_size, value_size),
            Scale(scale, channels),
        )
        self.mlp = nn.Sequential(
            nn.LayerNorm(channels),
            nn.Linear(channels, channels * ratio),
            nn.GELU(),
            nn.Linear(channels * ratio, channels),
            Scale(scale, channels),
        )

    def forward(self, x):
        x = x + self.attention(x)
        return x + self.mlp(x)


class Model(nn.Module):
    """EfficientFormer: pooling blocks on images, then `attentions` transformer blocks at the end.

    `stem_strides`: of the two first convolutions. The mean of two heads predicts (one learns from a teacher).
    """

    def __init__(
        self,
        input_shape,
        num_classes,
        width=1.0,
        channels=(48, 96, 224, 448),
        depths=(3, 2, 6, 4),
        attentions=1,
        ratio=4,
        scale=1e-5,
        heads=8,
        key_size=32,
        value_size=128,
        stem_strides=(2, 2),
        strides=(1, 2, 2, 2),
    ):
        super().__init__()
        widths = [max(2, round(c * width)) for c in channels]
        size = [math.ceil(side / math.prod(stem_strides) / math.prod(strides)) for side in input_shape[1:]]
        stem = widths[0] // 2
        layers = [*conv_norm(input_shape[0], stem, 3, stem_strides[0]), nn.ReLU()]
        layers += [*conv_norm(stem, widths[0], 3, stem_strides[1]), nn.ReLU()]
        for i, (outputs, depth) in enumerate(zip(widths, depths, strict=True)):
            if i > 0:
                layers += conv_norm(widths[i - 1], outputs, 3, strides[i])
            pooled = depth - attentions if i == len(widths) - 1 else depth
            layers += [PoolBlock(outputs, ratio, scale) for _ in range(pooled)]
        self.features = nn.Sequential(*layers)
        self.attend = nn.Sequential(
            *[
                AttentionBlock(outputs, size, ratio, scale, heads, key_size, value_size)
                for _ in range(attentions)
            ],
            nn.LayerNorm(outputs),
        )
        self.head = nn.Linear(outputs, num_classes)
        self.head_of_teacher = nn.Linear(outputs, num_classes)

    def forward(self, x):
        x = self.attend(self.features(x).flatten(2).transpose(1, 2)).mean(1)
        return (self.head(x) + self.head_of_teacher(x)) / 2
