import torch.nn as nn
import torch.nn.functional as F


class Series(nn.Module):
    """The series activation: a ReLU whose outputs are summed over a neighbourhood, each channel by itself."""

    def __init__(self, channels, reach, deploy):
        super().__init__()
        size = 2 * reach + 1
        self.sum = nn.Conv2d(channels, channels, size, padding=reach, groups=channels, bias=deploy)
        self.norm = nn.Identity() if deploy else nn.BatchNorm2d(channels, 1e-6)

    def forward(self, x):
        return self.norm(self.sum(F.relu(x)))


class Deep(nn.Module):
    """Two convolutions with a LeakyReLU between them, which training turns into one.

    The slope grows from 0 to 1 over training; at 1 nothing is left between them and they fold into one.
    """

    def __init__(self, first, second, slope):
        super().__init__()
        self.first = first
        self.norm1 = nn.BatchNorm2d(first.out_channels, 1e-6)
        self.second = second
        self.norm2 = nn.BatchNorm2d(second.out_channels, 1e-6)
        self.slope = slope

    def forward(self, x):
        return self.norm2(self.second(F.leaky_relu(self.norm1(self.first(x)), self.slope)))


class Model(nn.Module):
    """VanillaNet: one 1x1 convolution, one pooling and one activation a stage; no shortcut, no attention.

    deploy: the folded network as published; else the form that trains, two convolutions for each one.
    """

    def __init__(
        self,
        input_shape,
        num_classes,
        width=1.0,
        dims=(512, 1024, 2048, 4096),
        strides=(2, 2, 2),
        patch=4,
        reach=3,
        deploy=True,
        slope=0.0,
    ):
        super().__init__()
        dims = [max(1, round(width * dim)) for dim in dims]
        first = nn.Conv2d(input_shape[0], dims[0], patch, patch)
        if not deploy:
            first = Deep(first, nn.Conv2d(dims[0], dims[0], 1), slope)
        layers = [first, Series(dims[0], reach, deploy)]
        for before, dim, stride in zip(dims[:-1], dims[1:], strides, strict=True):
            conv = nn.Conv2d(before, dim, 1)
            if not deploy:
                conv = Deep(nn.Conv2d(before, before, 1), conv, slope)
            layers += [conv, nn.MaxPool2d(stride), Series(dim, reach, deploy)]
        self.layers = nn.Sequential(*layers)
        self.head = nn.Linear(dims[-1], num_classes)
        self.norm = nn.Identity() if deploy else nn.BatchNorm1d(num_classes, 1e-6)
        self.last = nn.Identity() if deploy else nn.Linear(num_classes, num_classes)
        self.slope = slope

    def forward(self, x):
        x = self.norm(self.head(self.layers(x).mean((2, 3))))
        if isinstance(self.last, nn.Linear):
            x = self.last(F.leaky_relu(x, self.slope))
        return x
