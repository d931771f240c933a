import torch.nn as nn
import torch.nn.functional as F


def fused(channels, out, ratio, stride, bias=False):
    """Fused MBConv: one wide 3x3 convolution and a 1x1 back, each with a norm."""
    mid = channels * ratio
    return nn.Sequential(
        nn.Conv2d(channels, mid, 3, stride, 1, bias=bias),
        nn.BatchNorm2d(mid),
        nn.Hardswish(),
        nn.Conv2d(mid, out, 1, bias=False),
        nn.BatchNorm2d(out),
    )


def separable(channels, ratio):
    """MBConv: 1x1 up, depthwise 3x3, 1x1 down; a norm only at the end."""
    mid = channels * ratio
    return nn.Sequential(
        nn.Conv2d(channels, mid, 1),
        nn.Hardswish(),
        nn.Conv2d(mid, mid, 3, padding=1, groups=mid),
        nn.Hardswish(),
        nn.Conv2d(mid, channels, 1, bias=False),
        nn.BatchNorm2d(channels),
    )


class Lowtention(nn.Module):
    """Attention with half the channels at 1 / stride of the resolution, and a transposed convolution back."""

    def __init__(self, channels, stride):
        super().__init__()
        self.heads = max(1, channels // 60)
        self.dim = channels // self.heads // 2
        inner = self.heads * self.dim
        kernel = 5 if stride > 1 else 3
        self.local = nn.Sequential(
            nn.Conv2d(channels, channels, kernel, stride, kernel // 2, groups=channels, bias=False),
            nn.BatchNorm2d(channels),
        )
        self.qkv = nn.Conv2d(channels, 3 * inner, 1, bias=False)
        if stride > 1:
            self.up = nn.ConvTranspose2d(inner, channels, 2 * stride, stride, stride // 2)
        else:
            self.up = nn.ConvTranspose2d(inner, channels, 3, 1, 1)

    def forward(self, x):
        y = self.qkv(self.local(x))
        height, width = y.shape[2:]
        q, k, v = y.view(len(y), self.heads, 3 * self.dim, -1).transpose(2, 3).chunk(3, -1)
        y = F.scaled_dot_product_attention(q, k, v)
        y = self.up(y.transpose(2, 3).reshape(len(x), -1, height, width))
        return y[:, :, : x.shape[2], : x.shape[3]]


class Block(nn.Module):
    """Lowtention, an MLP and a convolution block, each added to its input."""

    def __init__(self, channels, stride, ratio, fuse):
        super().__init__()
        self.norm1 = nn.GroupNorm(1, channels)
        self.attention = Lowtention(channels, stride)
        self.norm2 = nn.GroupNorm(1, channels)
        self.expand = nn.Conv2d(channels, channels * ratio, 1)
        self.reduce = nn.Conv2d(channels * ratio, channels, 1)
        self.local = fused(channels, channels, ratio, 1, bias=True) if fuse else separable(channels, ratio)

    def forward(self, x):
        x = x + self.attention(self.norm1(x))
        x = x + self.reduce(F.gelu(self.expand(self.norm2(x))))
        return x + self.local(x)


class Model(nn.Module):
    """LowFormer: fused convolutions at high resolution, attention at low resolution.

    `depths` counts the blocks of the two attention stages; the stages before are one fused convolution each.
    """

    def __init__(
        self,
        input_shape,
        num_classes,
        width=1.0,
        widths=(16, 32, 64, 128, 256),
        depths=(3, 4),
        down_ratio=4,
        ratio=4,
        stem_stride=2,
        fuse_below=256,
        head=(1536, 1600),
    ):
        super().__init__()
        widths = [max(2, round(width * size)) for size in widths]
        head = [max(1, round(width * size)) for size in head]
        self.stem = nn.Sequential(
            nn.Conv2d(input_shape[0], widths[0], 3, stem_stride, 1, bias=False),
            nn.BatchNorm2d(widths[0]),
            nn.Hardswish(),
        )
        layers = [fused(widths[i], widths[i + 1], down_ratio, 2) for i in range(len(widths) - 2)]
        layers += [Block(widths[-2], 2, ratio, widths[-2] < fuse_below) for _ in range(depths[0])]
        layers.append(fused(widths[-2], widths[-1], down_ratio, 2))
        layers += [Block(widths[-1], 1, ratio, widths[-1] < fuse_below) for _ in range(depths[1])]
        self.stages = nn.Sequential(*layers)
        self.mix = nn.Sequential(
            nn.Conv2d(widths[-1], head[0], 1, bias=False), nn.BatchNorm2d(head[0]), nn.Hardswish()
        )
        self.dense = nn.Sequential(
            nn.Linear(head[0], head[1], bias=False), nn.LayerNorm(head[1]), nn.Hardswish()
        )
        self.head = nn.Linear(head[1], num_classes)

    def forward(self, x):
        x = self.mix(self.stages(self.stem(x)))
        return self.head(self.dense(x.mean((2, 3))))
