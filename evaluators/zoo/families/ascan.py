import torch.nn as nn
import torch.nn.functional as F


class Convolution(nn.Module):
    """C, a fused inverted residual: 3x3 up, squeeze and excitation, 1x1 down; added where shapes allow."""

    def __init__(self, channels, out, ratio, stride, squeeze=4):
        super().__init__()
        mid = channels * ratio
        self.expand = nn.Sequential(
            nn.Conv2d(channels, mid, 3, stride, 1, bias=False), nn.BatchNorm2d(mid), nn.GELU()
        )
        self.squeeze = nn.Conv2d(mid, max(1, channels // squeeze), 1)
        self.excite = nn.Conv2d(max(1, channels // squeeze), mid, 1)
        self.reduce = nn.Sequential(nn.Conv2d(mid, out, 1, bias=False), nn.BatchNorm2d(out))
        self.skip = stride == 1 and channels == out

    def forward(self, x):
        y = self.expand(x)
        gate = self.excite(F.silu(self.squeeze(y.mean((2, 3), keepdim=True))))
        y = self.reduce(y * gate.sigmoid())
        return x + y if self.skip else y


class Transformer(nn.Module):
    """T, a plain transformer block on all places of the map; halves the map first if `stride` is 2."""

    def __init__(self, channels, out, ratio, stride, head):
        super().__init__()
        self.enter = nn.Identity()
        if stride > 1 or channels != out:
            self.enter = nn.Sequential(
                nn.Conv2d(channels, out, 3, stride, 1, bias=False), nn.BatchNorm2d(out)
            )
        self.heads = max(1, out // head)
        self.norm1 = nn.LayerNorm(out)
        self.qkv = nn.Linear(out, 3 * out)
        self.out = nn.Linear(out, out)
        self.norm2 = nn.LayerNorm(out)
        self.mlp = nn.Sequential(nn.Linear(out, ratio * out), nn.GELU(), nn.Linear(ratio * out, out))

    def forward(self, x):
        x = self.enter(x)
        size = x.shape[2:]
        x = x.flatten(2).transpose(1, 2)
        q, k, v = (
            y.unflatten(2, (self.heads, -1)).transpose(1, 2) for y in self.qkv(self.norm1(x)).chunk(3, 2)
        )
        x = x + self.out(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))
        x = x + self.mlp(self.norm2(x))
        return x.transpose(1, 2).unflatten(2, size)


class Model(nn.Module):
    """AsCAN: convolution (C) and transformer (T) blocks, more C in early and more T in late stages.

    `pattern` spells the blocks of each stage; the first block of a stage halves the map.
    """

    def __init__(
        self,
        input_shape,
        num_classes,
        width=1.0,
        pattern=("CC", "CCC", "CCCTTT", "TTT"),
        dims=(96, 192, 384, 768),
        strides=(2, 2, 2, 2),
        ratio=4,
        head=32,
        stem=64,
        stem_stride=2,
    ):
        super().__init__()
        stem = max(1, round(width * stem))
        layers = [
            nn.Conv2d(input_shape[0], stem, 3, stem_stride, 1, bias=False),
            nn.BatchNorm2d(stem),
            nn.GELU(),
            nn.Conv2d(stem, stem, 3, 1, 1),
        ]
        before = stem
        for blocks, dim, stride in zip(pattern, dims, strides, strict=True):
            dim = head * max(1, round(width * dim / head))
            for i, kind in enumerate(blocks):
                step = stride if i == 0 else 1
                if kind == "C":
                    layers.append(Convolution(before, dim, ratio, step))
                else:
                    layers.append(Transformer(before, dim, ratio, step, head))
                before = dim
        self.layers = nn.Sequential(*layers)
        self.norm = nn.LayerNorm(before)
        self.head = nn.Linear(before, num_classes)

    def forward(self, x):
        return self.head(self.norm(self.layers(x).mean((2, 3))))
