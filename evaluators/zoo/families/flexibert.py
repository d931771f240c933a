import math

import torch
import torch.nn as nn
import torch.nn.functional as F


class Attention(nn.Module):
    """Self-attention: scaled dot products ("sdp"), or with a learnt matrix between query and key ("wma")."""

    def __init__(self, dim, heads, kind):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.out = nn.Linear(dim, dim)
        size = dim // heads
        self.between = nn.Parameter(torch.eye(size).repeat(heads, 1, 1)) if kind == "wma" else None

    def forward(self, x):
        q, k, v = (y.unflatten(2, (self.heads, -1)).transpose(1, 2) for y in self.qkv(x).chunk(3, 2))
        if self.between is not None:
            q = q @ self.between
        return self.out(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


class Transform(nn.Module):
    """Mixes places and channels without parameters: "dft" (real part) or "dct", the cosine transform."""

    def __init__(self, kind):
        super().__init__()
        self.kind = kind

    def cosine(self, size):
        """The matrix of the discrete cosine transform of type II."""
        places = torch.arange(size, dtype=torch.float64)
        return 2 * torch.cos(math.pi / size * places.unsqueeze(1) * (places + 0.5))

    def forward(self, x):
        if self.kind == "dft":
            return torch.fft.fft2(x).real
        length, dim = x.shape[1:]
        return self.cosine(length).to(x) @ x @ self.cosine(dim).to(x).T


class Layer(nn.Module):
    """An operation and a stack of dense layers, each added to its input and normed after."""

    def __init__(self, dim, kind, heads, dense):
        super().__init__()
        self.mix = Attention(dim, heads, kind) if kind in ("sdp", "wma") else Transform(kind)
        self.norm1 = nn.LayerNorm(dim)
        stack = []
        before = dim
        for size in dense:
            stack += [nn.Linear(before, size), nn.GELU()]
            before = size
        self.dense = nn.Sequential(*stack, nn.Linear(before, dim))
        self.norm2 = nn.LayerNorm(dim)

    def forward(self, x):
        x = self.norm1(x + self.mix(x))
        return self.norm2(x + self.dense(x))


class Model(nn.Module):
    """FlexiBERT: an encoder whose layers differ in operation, width and dense stack.

    A linear map joins layers of different width. The input is read as a sequence of patches; the mean of
    all places goes to the head.
    """

    def __init__(
        self,
        input_shape,
        num_classes,
        width=1.0,
        kinds=("sdp", "sdp", "dct", "dct"),
        dims=(256, 256, 128, 128),
        heads=(2, 2, 4, 4),
        dense=((512, 512, 512), (512, 512, 512), (1024,), (1024,)),
        patch=1,
    ):
        super().__init__()
        self.patch = patch
        dims = [head * max(1, round(width * dim / head)) for dim, head in zip(dims, heads, strict=True)]
        dense = [[max(1, round(width * size)) for size in stack] for stack in dense]
        length = 1
        for size in input_shape[1:]:
            length *= size
        self.embed = nn.Linear(input_shape[0] * patch, dims[0])
        self.position = nn.Parameter(0.02 * torch.randn(length // patch, dims[0]))
        self.norm = nn.LayerNorm(dims[0])
        layers = []
        before = dims[0]
        for kind, dim, head, stack in zip(kinds, dims, heads, dense, strict=True):
            if dim != before:
                layers.append(nn.Linear(before, dim))
            layers.append(Layer(dim, kind, head, stack))
            before = dim
        self.layers = nn.Sequential(*layers)
        self.head = nn.Linear(before, num_classes)

    def forward(self, x):
        x = x.flatten(2).unfold(2, self.patch, self.patch).transpose(1, 2).flatten(2)
        x = self.layers(self.norm(self.embed(x) + self.position))
        return self.head(x.mean(1))
