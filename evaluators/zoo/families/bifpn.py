import torch
import torch.nn as nn
import torch.nn.functional as F


def project(channels, out):
    """A 1x1 convolution and a norm where the number of channels has to change."""
    return nn.Sequential(nn.Conv2d(channels, out, 1, bias=False), nn.BatchNorm2d(out, 1e-3, 0.01))


class Node(nn.Module):
    """One node of the pyramid: a weighted sum of maps, then SiLU and a separable 3x3 convolution.

    The first input has the size of the output; the others are halved or doubled to it.
    """

    def __init__(self, channels, out):
        super().__init__()
        self.weights = nn.Parameter(torch.ones(len(channels)))
        self.projects = nn.ModuleList(project(c, out) if c != out else nn.Identity() for c in channels)
        self.depthwise = nn.Conv2d(out, out, 3, padding=1, groups=out, bias=False)
        self.pointwise = nn.Conv2d(out, out, 1, bias=False)
        self.norm = nn.BatchNorm2d(out, 1e-3, 0.01)

    def forward(self, maps):
        size = maps[0].shape[2:]
        weights = F.relu(self.weights)
        total = 0
        for feature, resize, weight in zip(maps, self.projects, weights, strict=True):
            feature = resize(feature)
            if feature.shape[2] > size[0]:
                feature = F.max_pool2d(feature, 3, 2, 1)
            elif feature.shape[2] < size[0]:
                feature = F.interpolate(feature, size)
            total = total + feature * weight / (weights.sum() + 1e-4)
        return self.norm(self.pointwise(self.depthwise(F.silu(total))))


class Layer(nn.Module):
    """One pass down from the coarsest map and one pass up again."""

    def __init__(self, channels, out):
        super().__init__()
        last = len(channels) - 1
        down = []
        for i in reversed(range(last)):
            coarser = channels[i + 1] if i + 1 == last else out
            down.append(Node([channels[i], coarser], out))
        up = [Node([channels[i], out, out], out) for i in range(1, last)]
        up.append(Node([channels[last], out], out))
        self.down = nn.ModuleList(down)
        self.up = nn.ModuleList(up)

    def forward(self, maps):
        last = len(maps) - 1
        tops = [maps[last]]
        for node, i in zip(self.down, reversed(range(last)), strict=True):
            tops.insert(0, node([maps[i], tops[0]]))
        outs = [tops[0]]
        for i, node in enumerate(self.up, start=1):
            inputs = [maps[i], tops[i], outs[-1]] if i < last else [maps[i], outs[-1]]
            outs.append(node(inputs))
        return outs


class BiFPN(nn.Module):
    """Adds halved maps until there are `levels`, then runs `repeats` weighted two-way pyramids."""

    def __init__(self, channels, out, levels, repeats):
        super().__init__()
        self.extra = levels - len(channels)
        channels = list(channels) + [out] * self.extra
        self.coarsest = nn.Identity()
        if self.extra and channels[-self.extra - 1] != out:
            self.coarsest = project(channels[-self.extra - 1], out)
        widths = [channels] + [[out] * levels] * (repeats - 1)
        self.layers = nn.ModuleList(Layer(width, out) for width in widths)

    def forward(self, maps):
        maps = list(maps)
        for i in range(self.extra):
            feature = self.coarsest(maps[-1]) if i == 0 else maps[-1]
            maps.append(F.max_pool2d(feature, 3, 2, 1))
        for layer in self.layers:
            maps = layer(maps)
        return maps


class Model(nn.Module):
    """A plain stack of strided convolutions, BiFPN over its last `taps` maps, the mean of all levels."""

    def __init__(
        self,
        input_shape,
        num_classes,
        width=1.0,
        widths=(16, 24, 40, 112, 320),
        strides=(2, 2, 2, 2, 2),
        taps=3,
        channels=64,
        levels=5,
        repeats=3,
    ):
        super().__init__()
        widths = [max(1, round(width * size)) for size in widths]
        channels = max(1, round(width * channels))
        ins = [input_shape[0], *widths[:-1]]
        self.stages = nn.ModuleList(
            nn.Sequential(nn.Conv2d(i, o, 3, s, 1, bias=False), nn.BatchNorm2d(o), nn.SiLU())
            for i, o, s in zip(ins, widths, strides, strict=True)
        )
        self.taps = taps
        self.neck = BiFPN(widths[-taps:], channels, levels, repeats)
        self.head = nn.Linear(channels, num_classes)

    def forward(self, x):
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        maps = self.neck(maps[-self.taps :])
        return self.head(sum(feature.mean((2, 3)) for feature in maps) / len(maps))
