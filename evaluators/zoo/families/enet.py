import torch
import torch.nn as nn
import torch.nn.functional as F


def unit(*layers, out, act):
    """Convolutions, a norm and an activation."""
    return nn.Sequential(*layers, nn.BatchNorm2d(out), act())


class Bottleneck(nn.Module):
    """1x1 down to a quarter, a 3x3 (dilated) or 5x1 and 1x5 convolution, 1x1 up; all added to the input."""

    def __init__(self, channels, dilation=1, asymmetric=False, dropout=0.1, act=nn.PReLU):
        super().__init__()
        mid = channels // 4
        middle = [nn.Conv2d(mid, mid, 3, 1, dilation, dilation, bias=False)]
        if asymmetric:
            first = nn.Conv2d(mid, mid, (5, 1), padding=(2, 0), bias=False)
            second = nn.Conv2d(mid, mid, (1, 5), padding=(0, 2), bias=False)
            middle = [first, nn.BatchNorm2d(mid), act(), second]
        self.reduce = unit(nn.Conv2d(channels, mid, 1, bias=False), out=mid, act=act)
        self.middle = unit(*middle, out=mid, act=act)
        self.expand = unit(nn.Conv2d(mid, channels, 1, bias=False), out=channels, act=act)
        self.dropout = nn.Dropout2d(dropout)
        self.act = act()

    def forward(self, x):
        return self.act(self.dropout(self.expand(self.middle(self.reduce(x)))) + x)


class Down(nn.Module):
    """Halves the map: a 2x2 convolution of stride 2, and max pooling that remembers where the maxima were."""

    def __init__(self, channels, out, dropout, act=nn.PReLU):
        super().__init__()
        mid = channels // 4
        self.extra = out - channels
        self.reduce = unit(nn.Conv2d(channels, mid, 2, 2, bias=False), out=mid, act=act)
        self.middle = unit(nn.Conv2d(mid, mid, 3, 1, 1, bias=False), out=mid, act=act)
        self.expand = unit(nn.Conv2d(mid, out, 1, bias=False), out=out, act=act)
        self.dropout = nn.Dropout2d(dropout)
        self.act = act()

    def forward(self, x):
        pooled, places = F.max_pool2d(x, 2, 2, return_indices=True)
        pooled = F.pad(pooled, (0, 0, 0, 0, 0, self.extra))
        y = self.dropout(self.expand(self.middle(self.reduce(x))))
        return self.act(y + pooled), places


class Up(nn.Module):
    """Doubles the map: a transposed convolution, and the input put back where the maxima were."""

    def __init__(self, channels, out, dropout=0.1, act=nn.ReLU):
        super().__init__()
        mid = channels // 4
        self.shortcut = nn.Sequential(nn.Conv2d(channels, out, 1, bias=False), nn.BatchNorm2d(out))
        self.reduce = unit(nn.Conv2d(channels, mid, 1, bias=False), out=mid, act=act)
        self.middle = unit(nn.ConvTranspose2d(mid, mid, 3, 2, 1, 1, bias=False), out=mid, act=act)
        self.expand = unit(nn.Conv2d(mid, out, 1, bias=False), out=out, act=act)
        self.dropout = nn.Dropout2d(dropout)
        self.act = act()

    def forward(self, x, places):
        back = F.max_unpool2d(self.shortcut(x), places, 2)
        return self.act(self.dropout(self.expand(self.middle(self.reduce(x)))) + back)


class Model(nn.Module):
    """ENet: a large encoder at an eighth of the resolution, a small decoder that reuses pooling indices.

    dense: logits of each pixel, not of the image.
    """

    def __init__(
        self,
        input_shape,
        num_classes,
        width=1.0,
        channels=(16, 64, 128),
        blocks=4,
        repeats=2,
        dilations=(2, 4, 8, 16),
        dropout=0.1,
        dense=False,
    ):
        super().__init__()
        self.dense = dense
        first, second, third = (4 * max(1, round(width * size / 4)) for size in channels)
        self.stem = nn.Conv2d(input_shape[0], first - input_shape[0], 3, 2, 1, bias=False)
        self.stem_act = unit(out=first, act=nn.PReLU)
        self.down1 = Down(first, second, dropout / 10)
        self.stage1 = nn.Sequential(*[Bottleneck(second, dropout=dropout / 10) for _ in range(blocks)])
        self.down2 = Down(second, third, dropout)
        stage2 = []
        for _ in range(repeats):
            for i, dilation in enumerate(dilations):
                stage2.append(Bottleneck(third, asymmetric=i % 2 == 1, dropout=dropout))
                stage2.append(Bottleneck(third, dilation, dropout=dropout))
        self.stage2 = nn.Sequential(*stage2)
        self.up2 = Up(third, second, dropout)
        self.stage3 = nn.Sequential(*[Bottleneck(second, dropout=dropout, act=nn.ReLU) for _ in range(2)])
        self.up1 = Up(second, first, dropout)
        self.stage4 = Bottleneck(first, dropout=dropout, act=nn.ReLU)
        self.head = nn.ConvTranspose2d(first, num_classes, 3, 2, 1, 1, bias=False)

    def forward(self, x):
        x = self.stem_act(torch.cat([self.stem(x), F.max_pool2d(x, 2, 2)], 1))
        x, places1 = self.down1(x)
        x, places2 = self.down2(self.stage1(x))
        x = self.stage3(self.up2(self.stage2(x), places2))
        x = self.head(self.stage4(self.up1(x, places1)))
        return x if self.dense else x.mean((2, 3))
