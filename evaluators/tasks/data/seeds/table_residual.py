import torch
import torch.nn as nn


class Model(nn.Module):
    """Embeddings beside the numbers, then two residual blocks with batch norm (Gorishniy et al. 2021)."""

    def __init__(self, input_shape, num_outputs, categories):
        super().__init__()
        self.numbers = [column for column, size in enumerate(categories) if size == 0]
        self.texts = [column for column, size in enumerate(categories) if size > 0]
        self.embeddings = nn.ModuleList([nn.Embedding(categories[column], 4) for column in self.texts])
        self.stem = nn.Linear(len(self.numbers) + 4 * len(self.texts), 48)
        self.block1 = nn.Sequential(nn.BatchNorm1d(48), nn.Linear(48, 96), nn.ReLU(), nn.Linear(96, 48))
        self.block2 = nn.Sequential(nn.BatchNorm1d(48), nn.Linear(48, 96), nn.ReLU(), nn.Linear(96, 48))
        self.norm = nn.BatchNorm1d(48)
        self.head = nn.Linear(48, num_outputs)

    def forward(self, x):
        parts = [x[:, self.numbers]]
        for column, embedding in zip(self.texts, self.embeddings):
            parts.append(embedding(x[:, column].long()))
        x = self.stem(torch.cat(parts, dim=1))
        x = x + self.block1(x)
        x = x + self.block2(x)
        return self.head(torch.relu(self.norm(x)))
