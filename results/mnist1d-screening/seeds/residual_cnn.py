import torch.nn as nn
import torch.nn.functional as F


class Model(nn.Module):
    """A stem and three residual blocks of 64 channels, halved in length between them: 91,082 parameters."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv1d(1, 64, 5, stride=2, padding=2)
        self.norm1 = nn.BatchNorm1d(64)
        self.conv2 = nn.Conv1d(64, 64, 3, padding=1)
        self.norm2 = nn.BatchNorm1d(64)
        self.conv3 = nn.Conv1d(64, 64, 3, padding=1)
        self.norm3 = nn.BatchNorm1d(64)
        self.conv4 = nn.Conv1d(64, 64, 3, stride=2, padding=1)
        self.norm4 = nn.BatchNorm1d(64)
        self.conv5 = nn.Conv1d(64, 64, 3, padding=1)
        self.norm5 = nn.BatchNorm1d(64)
        self.conv6 = nn.Conv1d(64, 64, 3, padding=1)
        self.norm6 = nn.BatchNorm1d(64)
        self.conv7 = nn.Conv1d(64, 64, 3, stride=2, padding=1)
        self.norm7 = nn.BatchNorm1d(64)
        self.conv8 = nn.Conv1d(64, 64, 3, padding=1)
        self.norm8 = nn.BatchNorm1d(64)
        self.linear = nn.Linear(320, 10)

    def forward(self, x):
        x = x.unsqueeze(1)
        x = F.relu(self.norm1(self.conv1(x)))
        h = F.relu(self.norm2(self.conv2(x)))
        x = F.relu(x + self.norm3(self.conv3(h)))
        x = F.relu(self.norm4(self.conv4(x)))
        h = F.relu(self.norm5(self.conv5(x)))
        x = F.relu(x + self.norm6(self.conv6(h)))
        x = F.relu(self.norm7(self.conv7(x)))
        x = F.relu(x + self.norm8(self.conv8(x)))
        x = x.flatten(1)
        return self.linear(x)
