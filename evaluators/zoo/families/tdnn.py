import torch
import torch.nn as nn
import torch.nn.functional as F


class Model(nn.Module):
    """x-vector: dilated convolutions over time, mean and deviation over all of it, two dense layers.

    Each layer is a convolution, LeakyReLU and a norm; edges are reflected.
    """

    def __init__(
        self,
        input_shape,
        num_classes,
        width=1.0,
        channels=(512, 512, 512, 512, 1500),
        kernels=(5, 3, 3, 1, 1),
        dilations=(1, 2, 3, 1, 1),
        embedding=512,
    ):
        super().__init__()
        embedding = max(1, round(width * embedding))
        layers = []
        before = input_shape[0]
        for out, kernel, dilation in zip(channels, kernels, dilations, strict=True):
            out = max(1, round(width * out))
            padding = dilation * (kernel - 1) // 2
            layers += [
                nn.Conv1d(before, out, kernel, 1, padding, dilation, padding_mode="reflect"),
                nn.LeakyReLU(),
                nn.BatchNorm1d(out),
            ]
            before = out
        self.frames = nn.Sequential(*layers)
        self.segment6 = nn.Linear(2 * before, embedding)
        self.norm6 = nn.BatchNorm1d(embedding)
        self.segment7 = nn.Linear(embedding, embedding)
        self.norm7 = nn.BatchNorm1d(embedding)
        self.head = nn.Linear(embedding, num_classes)

    def forward(self, x):
        x = self.frames(x)
        deviation = x.var(2).clamp(min=1e-10).sqrt()
        x = self.segment6(torch.cat([x.mean(2), deviation + 1e-5], 1))
        x = self.norm6(F.leaky_relu(x))
        x = self.norm7(F.leaky_relu(self.segment7(x)))
        return self.head(x)
