import torch
import torch.nn as nn


class Model(nn.Module):
    """Embeddings of the categories beside the numbers, then two hidden layers of 64."""

    def __init__(self, input_shape, num_outputs, categories):
        super().__init__()
        self.numbers = [column for column, size in enumerate(categories) if size == 0]
        self.texts = [column for column, size in enumerate(categories) if size > 0]
        widths = [min(16, (categories[column] + 1) // 2) for column in self.texts]
        self.embeddings = nn.ModuleList(
            [nn.Embedding(categories[column], width) for column, width in zip(self.texts, widths)]
        )
        self.hidden1 = nn.Linear(len(self.numbers) + sum(widths), 64)
        self.hidden2 = nn.Linear(64, 64)
        self.head = nn.Linear(64, num_outputs)

    def forward(self, x):
        parts = [x[:, self.numbers]]
        for column, embedding in zip(self.texts, self.embeddings):
            parts.append(embedding(x[:, column].long()))
        x = torch.cat(parts, dim=1)
        x = torch.relu(self.hidden1(x))
        x = torch.relu(self.hidden2(x))
        return self.head(x)
