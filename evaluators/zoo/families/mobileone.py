from torch import nn


def conv_norm(inputs, outputs, kernel, stride, groups):
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
    )


class Unit(nn.Module):
    """A convolution in several linear branches, added up: for prediction they fold into one (`fused`)."""

    def __init__(self, inputs, outputs, kernel, stride, groups, branches, fused):
        super().__init__()
        self.branches = nn.ModuleList()
        if fused:
            self.branches.append(nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups))
            return
        if inputs == outputs and stride == 1:
            self.branches.append(nn.BatchNorm2d(inputs))
        if kernel > 1:
            self.branches.append(conv_norm(inputs, outputs, 1, stride, groups))
        self.branches += [conv_norm(inputs, outputs, kernel, stride, groups) for _ in range(branches)]

    def forward(self, x):
        return nn.functional.relu(sum(branch(x) for branch in self.branches))


class Model(nn.Module):
    """MobileOne: depthwise and pointwise units in turn, each trained with `branches` parallel copies."""

    def __init__(
        self,
        input_shape,
        num_classes,
        width=1.0,
        multipliers=(0.75, 1.0, 1.0, 2.0),
        channels=(64, 128, 256, 512),
        depths=(2, 8, 10, 1),
        branches=4,
        fused=False,
        stem_stride=2,
        strides=(2, 2, 2, 2),
    ):
        super().__init__()
        widths = [max(1, int(c * m * width)) for c, m in zip(channels, multipliers, strict=True)]
        inputs = max(1, min(64, widths[0]))
        layers = [Unit(input_shape[0], inputs, 3, stem_stride, 1, 1, fused)]
        for outputs, depth, first_stride in zip(widths, depths, strides, strict=True):
            for i in range(depth):
                stride = first_stride if i == 0 else 1
                layers.append(Unit(inputs, inputs, 3, stride, inputs, branches, fused))
                layers.append(Unit(inputs, outputs, 1, 1, 1, branches, fused))
                inputs = outputs
        self.features = nn.Sequential(*layers)
        self.head = nn.Linear(inputs, num_classes)

    def forward(self, x):
        return self.head(self.features(x).mean((2, 3)))
