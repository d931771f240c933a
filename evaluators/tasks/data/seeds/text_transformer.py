import torch
import torch.nn as nn
import torch.nn.functional as F


class Block(nn.Module):
    """Causal self-attention, then a feed-forward layer, each behind a norm (GPT-2)."""

    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.norm1 = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, x):
        batch, length, width = x.shape
        parts = self.qkv(self.norm1(x)).reshape(batch, length, 3, self.heads, width // self.heads)
        q, k, v = parts.permute(2, 0, 3, 1, 4)
        seen = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(seen.transpose(1, 2).reshape(batch, length, width))
        return x + self.mlp(self.norm2(x))


class Model(nn.Module):
    """Two blocks of width 48 over bytes and their places."""

    def __init__(self, context, vocab_size):
        super().__init__()
        self.embed = nn.Embedding(vocab_size, 48)
        self.place = nn.Parameter(0.02 * torch.randn(context, 48))
        self.blocks = nn.Sequential(Block(48, 4), Block(48, 4))
        self.norm = nn.LayerNorm(48)
        self.head = nn.Linear(48, vocab_size)

    def forward(self, x):
        x = self.embed(x) + self.place[: x.shape[1]]
        return self.head(self.norm(self.blocks(x)))
