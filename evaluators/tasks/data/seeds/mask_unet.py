import torch
import torch.nn as nn
import torch.nn.functional as F


class Model(nn.Module):
    """Two steps down and two up again, each joined with what it had at its size (U-Net, Ronneberger 2015)."""

    def __init__(self, input_shape, num_classes):
        super().__init__()
        self.down1 = nn.Conv2d(input_shape[0], 12, 3, padding=1)
        self.down2 = nn.Conv2d(12, 24, 3, padding=1)
        self.middle = nn.Conv2d(24, 32, 3, padding=1)
        self.up2 = nn.Conv2d(56, 24, 3, padding=1)
        self.up1 = nn.Conv2d(36, 12, 3, padding=1)
        self.head = nn.Conv2d(12, num_classes, 1)

    def forward(self, x):
        a = F.relu(self.down1(x))
        b = F.relu(self.down2(F.max_pool2d(a, 2)))
        x = F.relu(self.middle(F.max_pool2d(b, 2)))
        x = F.interpolate(x, size=b.shape[2:])
        x = F.relu(self.up2(torch.cat([x, b], 1)))
        x = F.interpolate(x, size=a.shape[2:])
        return self.head(F.relu(self.up1(torch.cat([x, a], 1))))
