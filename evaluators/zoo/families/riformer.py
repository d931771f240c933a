import torch
import torch.nn as nn
import torch.nn.functional as F


class Scale(nn.Module):
    """A learnt factor for each channel."""

    def __init__(self, dim, value):
        super().__init__()
        self.weight = nn.Parameter(torch.full((dim,), value))

    def forward(self, x):
        return x * self.weight.view(-1, 1, 1)


class Affine(nn.Module):
    """A scale and a shift for each channel, less the input: no token looks at another."""

    def __init__(self, dim):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))
        self.bias = nn.Parameter(torch.zeros(dim))

    def forward(self, x):
        return x * self.weight.view(-1, 1, 1) + self.bias.view(-1, 1, 1) - x


class Pool(nn.Module):
    """The 3x3 average less the input, the mixer of PoolFormer."""

    def forward(self, x):
        return F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False) - x


class Block(nn.Module):
    """A token mixer and a two-layer MLP, each behind a norm and scaled before it is added."""

    def __init__(self, dim, ratio, mixer, scale):
        super().__init__()
        mixers = {"identity": nn.Identity, "pool": Pool, "affine": lambda: Affine(dim)}
        self.norm1 = nn.GroupNorm(1, dim)
        self.mixer = mixers[mixer]()
        self.scale1 = Scale(dim, scale)
        self.norm2 = nn.GroupNorm(1, dim)
        self.expand = nn.Conv2d(dim, dim * ratio, 1)
        self.reduce = nn.Conv2d(dim * ratio, dim, 1)
        self.scale2 = Scale(dim, scale)

    def forward(self, x):
        x = x + self.scale1(self.mixer(self.norm1(x)))
        return x + self.scale2(self.reduce(F.gelu(self.expand(self.norm2(x)))))


class Model(nn.Module):
    """RIFormer: a transformer without a token mixer; only the downsampling convolutions mix tokens.

    mixer: "identity" (as deployed), "affine" (as trained) or "pool" (PoolFormer, the body it comes from).
    """

    def __init__(
        self,
        input_shape,
        num_classes,
        width=1.0,
        depths=(2, 2, 6, 2),
        dims=(64, 128, 320, 512),
        ratio=4,
        mixer="identity",
        patch=(7, 4, 2),
        scale=1e-5,
    ):
        super().__init__()
        kernel, stride, padding = patch
        dims = [max(1, round(width * dim)) for dim in dims]
        layers = [nn.Conv2d(input_shape[0], dims[0], kernel, stride, padding)]
        for stage, (depth, dim) in enumerate(zip(depths, dims, strict=True)):
            if stage:
                layers.append(nn.Conv2d(dims[stage - 1], dim, 3, 2, 1))
            layers += [Block(dim, ratio, mixer, scale) for _ in range(depth)]
        self.layers = nn.Sequential(*layers)
        self.norm = nn.LayerNorm(dims[-1])
        self.head = nn.Linear(dims[-1], num_classes)

    def forward(self, x):
        x = self.layers(x).mean((2, 3))
        return self.head(self.norm(x))
