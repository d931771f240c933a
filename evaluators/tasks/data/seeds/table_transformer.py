import torch
import torch.nn as nn


class Model(nn.Module):
    """A token for each column and one to read from, then one encoder layer (FT-Transformer, ibid.)."""

    def __init__(self, input_shape, num_outputs, categories):
        super().__init__()
        self.numbers = [column for column, size in enumerate(categories) if size == 0]
        self.texts = [column for column, size in enumerate(categories) if size > 0]
        self.scale = nn.Parameter(0.1 * torch.randn(len(self.numbers), 16))
        self.shift = nn.Parameter(0.1 * torch.randn(len(self.numbers) + 1, 16))
        self.embeddings = nn.ModuleList([nn.Embedding(categories[column], 16) for column in self.texts])
        self.encoder = nn.TransformerEncoderLayer(16, 4, 32, dropout=0.0, batch_first=True, norm_first=True)
        self.head = nn.Linear(16, num_outputs)

    def forward(self, x):
        values = nn.functional.pad(x[:, self.numbers], (0, 1)).unsqueeze(2)
        tokens = values * nn.functional.pad(self.scale, (0, 0, 0, 1)) + self.shift
        for column, embedding in zip(self.texts, self.embeddings):
            tokens = torch.cat([embedding(x[:, column].long()).unsqueeze(1), tokens], dim=1)
        return self.head(self.encoder(tokens)[:, -1])
