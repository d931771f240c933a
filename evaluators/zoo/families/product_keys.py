import torch
import torch.nn as nn


class Memory(nn.Module):
    """Product-key memory: keys**2 values of which each head reads the `topk` that fit its query best.

    A query is two halves, each compared with `keys` half keys; value (i, j) scores the sum of both.
    """

    def __init__(self, dim, heads, keys, topk, key_dim):
        super().__init__()
        self.heads, self.topk = heads, topk
        self.keys = nn.Parameter(torch.randn(heads, keys, 2, key_dim) * key_dim**-0.5)
        self.query = nn.Linear(dim, 2 * heads * key_dim, bias=False)
        self.norm = nn.LayerNorm(key_dim)
        self.values = nn.EmbeddingBag(keys**2, dim, mode="sum")
        nn.init.normal_(self.values.weight, std=dim**-0.5)

    def forward(self, x):
        batch, length, _ = x.shape
        keys = self.keys.shape[1]
        query = self.norm(self.query(x).view(batch, length, 2, self.heads, -1))
        scores = torch.einsum("btphd,hnpd->btphn", query, self.keys)
        best, index = scores.topk(self.topk, -1)
        sums = best[:, :, 0].unsqueeze(-1) + best[:, :, 1].unsqueeze(-2)
        places = index[:, :, 0].unsqueeze(-1) * keys + index[:, :, 1].unsqueeze(-2)
        top, chosen = sums.flatten(-2).topk(self.topk, -1)
        places = places.flatten(-2).gather(-1, chosen)
        weights = top.softmax(-1)
        places, weights = places.view(batch * length, -1), weights.view(batch * length, -1)
        return self.values(places, per_sample_weights=weights).view(batch, length, -1)


class Block(nn.Module):
    """Self-attention, then the memory where a transformer has its dense layers."""

    def __init__(self, dim, attention_heads, memory):
        super().__init__()
        self.norm1 = nn.LayerNorm(dim)
        self.attention = nn.MultiheadAttention(dim, attention_heads, batch_first=True)
        self.norm2 = nn.LayerNorm(dim)
        self.memory = memory

    def forward(self, x):
        y = self.norm1(x)
        x = x + self.attention(y, y, y, need_weights=False)[0]
        return x + self.memory(self.norm2(x))


class Model(nn.Module):
    """Patches of the input as a sequence, blocks of attention and memory, the mean of all places."""

    def __init__(
        self,
        input_shape,
        num_classes,
        width=1.0,
        patch=4,
        dim=512,
        depth=1,
        attention_heads=8,
        heads=4,
        keys=128,
        topk=32,
        key_dim=128,
    ):
        super().__init__()
        self.patch = patch
        dim = attention_heads * max(1, round(width * dim / attention_heads))
        key_dim = max(1, round(width * key_dim))
        length = 1
        for size in input_shape[1:]:
            length *= size
        self.embed = nn.Linear(input_shape[0] * patch, dim)
        self.position = nn.Parameter(torch.zeros(length // patch, dim))
        self.blocks = nn.Sequential(
            *[Block(dim, attention_heads, Memory(dim, heads, keys, topk, key_dim)) for _ in range(depth)]
        )
        self.norm = nn.LayerNorm(dim)
        self.head = nn.Linear(dim, num_classes)

    def forward(self, x):
        x = x.flatten(2).unfold(2, self.patch, self.patch).transpose(1, 2).flatten(2)
        x = self.blocks(self.embed(x) + self.position)
        return self.head(self.norm(x).mean(1))
