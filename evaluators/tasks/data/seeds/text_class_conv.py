import torch.nn as nn
import torch.nn.functional as F


class Model(nn.Module):
    """Convolutions over the bytes and the largest answer of each along the text (Kim 2014)."""

    def __init__(self, vocab_size, num_classes):
        super().__init__()
        self.embed = nn.Embedding(vocab_size, 16, padding_idx=0)
        self.conv1 = nn.Conv1d(16, 48, 5, padding=2)
        self.conv2 = nn.Conv1d(48, 48, 3, padding=1)
        self.head = nn.Linear(48, num_classes)

    def forward(self, x):
        x = self.embed(x).transpose(1, 2)
        x = F.relu(self.conv1(x))
        x = F.relu(self.conv2(x))
        return self.head(x.amax(2))
