import torch.nn as nn
import torch.nn.functional as F


class Model(nn.Module):
    """Convolutions over the bytes so far, each reaching twice as far back (WaveNet, van den Oord 2016)."""

    def __init__(self, context, vocab_size):
        super().__init__()
        self.embed = nn.Embedding(vocab_size, 48)
        self.conv1 = nn.Conv1d(48, 48, 3, dilation=1)
        self.conv2 = nn.Conv1d(48, 48, 3, dilation=2)
        self.conv3 = nn.Conv1d(48, 48, 3, dilation=4)
        self.head = nn.Conv1d(48, vocab_size, 1)

    def forward(self, x):
        x = self.embed(x).transpose(1, 2)
        # Padded on the left alone: nothing after a byte may be seen.
        x = x + F.gelu(self.conv1(F.pad(x, (2, 0))))
        x = x + F.gelu(self.conv2(F.pad(x, (4, 0))))
        x = x + F.gelu(self.conv3(F.pad(x, (8, 0))))
        return self.head(x).transpose(1, 2)
