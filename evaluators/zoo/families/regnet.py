import math

from torch import nn


def stage_plan(depth, w_0, w_a, w_m, group_width, half_up, quantum):
    """Channels, blocks and group width of each stage: a straight line of widths, rounded to powers of w_m.

    A width that lies half way between two multiples of the group goes to the even one, or up.
    """
    plan = []
    for j in range(depth):
        power = round(math.log((w_0 + w_a * j) / w_0) / math.log(w_m))
        channels = max(1, round(w_0 * w_m**power / quantum)) * quantum
        if plan and plan[-1][0] == channels:
            plan[-1][1] += 1
        else:
            plan.append([channels, 1])
    stages = []
    for channels, blocks in plan:
        group = min(group_width, channels)
        groups = channels / group
        stages.append((max(1, math.floor(groups + 0.5) if half_up else round(groups)) * group, blocks, group))
    return stages


def conv_norm(inputs, outputs, kernel=1, stride=1, groups=1):
    return [
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
    ]


class SqueezeExcite(nn.Module):
    """Weighs each channel by what all channels are on average."""

    def __init__(self, channels, squeezed):
        super().__init__()
        self.weigh = nn.Sequential(
            nn.Conv2d(channels, squeezed, 1), nn.ReLU(), nn.Conv2d(squeezed, channels, 1), nn.Sigmoid()
        )

    def forward(self, x):
        return x * self.weigh(x.mean((2, 3), keepdim=True))


class Block(nn.Module):
    """1 x 1, grouped 3 x 3 and 1 x 1 convolutions of one width, with a shortcut around them."""

    def __init__(self, inputs, outputs, stride, group, squeeze):
        super().__init__()
        layers = [*conv_norm(inputs, outputs), nn.ReLU()]
        layers += [*conv_norm(outputs, outputs, 3, stride, outputs // group), nn.ReLU()]
        if squeeze:
            layers.append(SqueezeExcite(outputs, max(1, round(inputs * squeeze))))
        self.shortcut = nn.Identity()
        if inputs != outputs or stride != 1:
            self.shortcut = nn.Sequential(*conv_norm(inputs, outputs, 1, stride))
        self.body = nn.Sequential(*layers, *conv_norm(outputs, outputs))

    def forward(self, x):
        return nn.functional.relu(self.shortcut(x) + self.body(x))


class Model(nn.Module):
    """RegNet: a whole network by depth, w_0, w_a, w_m and group width. `squeeze` > 0 makes it a RegNetY."""

    def __init__(
        self,
        input_shape,
        num_classes,
        width=1.0,
        depth=13,
        w_0=24,
        w_a=36.44,
        w_m=2.49,
        group_width=8,
        squeeze=0.0,
        half_up=False,
        quantum=8,
        stem=32,
        stem_stride=2,
        stride=2,
    ):
        super().__init__()
        inputs = max(1, round(stem * width))
        layers = [*conv_norm(input_shape[0], inputs, 3, stem_stride), nn.ReLU()]
        plan = stage_plan(depth, w_0 * width, w_a * width, w_m, group_width, half_up, quantum)
        for outputs, blocks, group in plan:
            for i in range(blocks):
                layers.append(Block(inputs, outputs, stride if i == 0 else 1, group, squeeze))
                inputs = outputs
        self.features = nn.Sequential(*layers)
        self.head = nn.Linear(inputs, num_classes)

    def forward(self, x):
        return self.head(self.features(x).mean((2, 3)))
