import torch.nn as nn


class Model(nn.Module):
    """An embedding of each byte, one recurrent layer, and logits of the next byte."""

    def __init__(self, context, vocab_size):
        super().__init__()
        self.embed = nn.Embedding(vocab_size, 32)
        self.recurrent = nn.GRU(32, 96, batch_first=True)
        self.head = nn.Linear(96, vocab_size)

    def forward(self, x):
        x = self.embed(x)
        x, _ = self.recurrent(x)
        return self.head(x)
