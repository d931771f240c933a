import torch.nn as nn


class Model(nn.Module):
    """SimpleNet: thirteen plain convolutions, each with a norm and a ReLU, two poolings, a maximum.

    `strides` are those of the first layers; all others have stride 1. "pool" stands for a 2x2 max pooling and
    counts as a layer; a negative width is a 1x1 convolution.
    """

    def __init__(
        self,
        input_shape,
        num_classes,
        widths=(64, 128, 128, 128, 128, 128, "pool", 256, 256, 256, 512, "pool", -2048, -256, 256),
        strides=(2, 2, 2),
        width=0.5,
        dropout=0.0,
    ):
        super().__init__()
        layers = []
        channels = input_shape[0]
        for i, size in enumerate(widths):
            stride = strides[i] if i < len(strides) else 1
            if size == "pool":
                layers.append(nn.MaxPool2d(2, max(stride, 2)))
                continue
            out = max(1, round(abs(size) * width))
            kernel = 1 if size < 0 else 3
            layers += [
                nn.Conv2d(channels, out, kernel, stride, 1),
                nn.BatchNorm2d(out, momentum=0.05),
                nn.ReLU(),
                nn.Dropout2d(dropout),
            ]
            channels = out
        self.layers = nn.Sequential(*layers)
        self.head = nn.Linear(channels, num_classes)

    def forward(self, x):
        return self.head(self.layers(x).amax((2, 3)))
