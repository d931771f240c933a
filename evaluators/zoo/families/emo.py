import torch
import torch.nn as nn
import torch.nn.functional as F


class Channels(nn.Module):
    """LayerNorm over the channels of each place of a map."""

    def __init__(self, channels):
        super().__init__()
        self.norm = nn.LayerNorm(channels, 1e-6)

    def forward(self, x):
        return self.norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Gate(nn.Module):
    """Squeeze and excitation without a squeeze: each channel is weighted by all means."""

    def __init__(self, channels):
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 1)
        self.second = nn.Conv2d(channels, channels, 1)

    def forward(self, x):
        mean = x.mean((2, 3), keepdim=True)
        return x * torch.sigmoid(self.second(F.silu(self.first(mean))))


class Mobile(nn.Module):
    """iRMB: an inverted residual whose expanded values may attend within windows before the depthwise filter.

    Queries and keys are not expanded, only the values are.
    """

    def __init__(self, channels, out, ratio, kernel, stride=1, head=0, window=7, late=False, gate=False):
        super().__init__()
        mid = int(channels * ratio)
        self.norm = nn.Identity() if gate else Channels(channels) if late else nn.BatchNorm2d(channels, 1e-6)
        self.act = nn.GELU() if late else nn.SiLU()
        self.heads = max(1, channels // head) if head else 0
        self.window = window
        self.query_key = nn.Conv2d(channels, 2 * channels, 1) if head else None
        self.value = nn.Conv2d(channels, mid, 1)
        self.local = nn.Conv2d(mid, mid, kernel, stride, kernel // 2, groups=mid, bias=False)
        self.local_norm = nn.BatchNorm2d(mid, 1e-6)
        self.gate = Gate(mid) if gate else nn.Identity()
        self.out = nn.Conv2d(mid, out, 1, bias=False)
        self.skip = stride == 1 and channels == out and not gate

    def attend(self, x):
        """The values of x, mixed within windows of the map."""
        height, width = x.shape[2:]
        size = min(self.window, max(height, width))
        x = F.pad(x, (0, -width % size, 0, -height % size))
        rows, columns = x.shape[2] // size, x.shape[3] // size

        def split(y):
            y = y.view(len(y), self.heads, -1, rows, size, columns, size)
            return y.permute(0, 3, 5, 1, 4, 6, 2).flatten(4, 5)

        q, k = self.query_key(x).chunk(2, 1)
        y = F.scaled_dot_product_attention(split(q), split(k), split(self.act(self.value(x))))
        y = y.unflatten(4, (size, size)).permute(0, 3, 6, 1, 4, 2, 5)
        return y.reshape(len(x), -1, rows * size, columns * size)[:, :, :height, :width]

    def forward(self, x):
        y = self.norm(x)
        y = self.attend(y) if self.heads else self.act(self.value(y))
        local = self.gate(F.silu(self.local_norm(self.local(y))))
        y = self.out(y + local if self.skip else local)
        return x + y if self.skip else y


class Model(nn.Module):
    """EMO: one block for all; norms and activations of a convolution early, those of a transformer late."""

    def __init__(
        self,
        input_shape,
        num_classes,
        width=1.0,
        depths=(2, 2, 8, 3),
        dims=(32, 48, 80, 168),
        ratios=(2.0, 2.5, 3.0, 3.5),
        kernels=(3, 3, 5, 5),
        heads=(0, 0, 20, 24),
        strides=(2, 2, 2, 2),
        stem=24,
        stem_stride=2,
        window=7,
    ):
        super().__init__()
        stem = max(1, round(width * stem))
        layers = [
            nn.Conv2d(input_shape[0], stem, 3, stem_stride, 1, bias=False),
            nn.BatchNorm2d(stem, 1e-6),
            Mobile(stem, stem, 1, kernels[0], gate=True),
        ]
        before = stem
        stages = zip(depths, dims, ratios, kernels, heads, strides, strict=True)
        for depth, dim, ratio, kernel, head, stride in stages:
            step = head or 1
            dim = step * max(1, round(width * dim / step))
            layers.append(Mobile(before, dim, 2 * ratio, kernel, stride, late=head > 0))
            layers += [Mobile(dim, dim, ratio, kernel, 1, head, window, head > 0) for _ in range(depth - 1)]
            before = dim
        self.layers = nn.Sequential(*layers)
        self.norm = nn.BatchNorm2d(before, 1e-6)
        self.head = nn.Linear(before, num_classes)

    def forward(self, x):
        return self.head(self.norm(self.layers(x)).mean((2, 3)))
