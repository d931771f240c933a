import torch
import torch.nn as nn
import torch.nn.functional as F


class Modulation(nn.Module):
    """EfficientMod's block: a dense layer's values times a context that a large depthwise convolution sees.

    The context has dim * ratio / groups channels; it is repeated `groups` times to the values' width.
    """

    def __init__(self, dim, ratio, kernel, scale):
        super().__init__()
        self.ratio = ratio
        self.scale = nn.Parameter(torch.full((dim,), scale))
        self.norm = nn.LayerNorm(dim)
        self.value = nn.Linear(dim, dim * ratio)
        self.enter = nn.Linear(dim, dim)
        self.leave = nn.Linear(dim, dim)
        self.context = nn.Conv2d(dim, dim, kernel, padding=kernel // 2, groups=dim)
        self.out = nn.Linear(dim * ratio, dim)

    def forward(self, x):
        y = self.norm(x)
        context = F.gelu(self.context(self.enter(y).permute(0, 3, 1, 2)))
        context = self.leave(context.permute(0, 2, 3, 1))
        value = self.value(y)
        if self.ratio > 1:
            value = F.gelu(value)
        return x + self.scale * self.out(value * context.repeat(1, 1, 1, self.ratio))


class Attention(nn.Module):
    """A transformer block on all places of the map."""

    def __init__(self, dim, ratio, heads):
        super().__init__()
        self.heads = heads
        self.inner = heads * max(dim // heads, 32)
        self.norm1 = nn.LayerNorm(dim)
        self.qkv = nn.Linear(dim, 3 * self.inner, bias=False)
        self.out = nn.Linear(self.inner, dim)
        self.norm2 = nn.LayerNorm(dim)
        self.expand = nn.Linear(dim, dim * ratio)
        self.reduce = nn.Linear(dim * ratio, dim)

    def forward(self, x):
        batch, height, width, dim = x.shape
        x = x.reshape(batch, height * width, dim)
        qkv = self.qkv(self.norm1(x)).reshape(batch, height * width, 3, self.heads, -1)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        x = x + self.out(y)
        x = x + self.reduce(F.gelu(self.expand(self.norm2(x))))
        return x.view(batch, height, width, dim)


class Patches(nn.Module):
    """A strided convolution and a norm: the map gets smaller. Channels come last."""

    def __init__(self, channels, dim, kernel, stride):
        super().__init__()
        self.conv = nn.Conv2d(channels, dim, kernel, stride, kernel // 2)
        self.norm = nn.LayerNorm(dim)

    def forward(self, x):
        return self.norm(self.conv(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1))


class Model(nn.Module):
    """EfficientMod: modulation blocks of alternating expansion, then attention blocks in late stages."""

    def __init__(
        self,
        input_shape,
        num_classes,
        width=1.0,
        dims=(32, 64, 128, 256),
        depths=(2, 2, 6, 2),
        ratios=(1, 6),
        attention=(0, 0, 1, 2),
        attention_ratios=(4, 4, 4, 4),
        heads=8,
        kernel=7,
        patch=(7, 4),
        scale=1e-4,
    ):
        super().__init__()
        layers = []
        before = input_shape[0]
        for stage, dim in enumerate(dims):
            dim = max(1, round(width * dim))
            layers.append(Patches(before, dim, *(patch if stage == 0 else (3, 2))))
            for i in range(depths[stage]):
                layers.append(Modulation(dim, ratios[i % len(ratios)], kernel, scale))
            for _ in range(attention[stage]):
                layers.append(Attention(dim, attention_ratios[stage], heads))
            before = dim
        self.layers = nn.Sequential(*layers)
        self.norm = nn.LayerNorm(before)
        self.head = nn.Linear(before, num_classes)

    def forward(self, x):
        x = self.layers(x.permute(0, 2, 3, 1))
        return self.head(self.norm(x).mean((1, 2)))
