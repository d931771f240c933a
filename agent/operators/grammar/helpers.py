"""The classes that a model file in the grammar brings along where its derivation needs them."""

from __future__ import annotations

from collections.abc import Mapping

from evoarch.agent.operators.syntactic.vocabulary import HELPERS as SHARED

HELPERS: Mapping[str, str] = {
    "Add": """\
class Add(nn.Module):
    def __init__(self, left, right):
        super().__init__()
        self.left = left
        self.right = right

    def forward(self, x):
        return self.left(x) + self.right(x)
""",
    "Mul": """\
class Mul(nn.Module):
    def __init__(self, left, right):
        super().__init__()
        self.left = left
        self.right = right

    def forward(self, x):
        return self.left(x) * self.right(x)
""",
    "Concat": """\
class Concat(nn.Module):
    def __init__(self, left, right):
        super().__init__()
        self.left = left
        self.right = right

    def forward(self, x):
        return torch.cat([self.left(x), self.right(x)], 1)
""",
    "Split": """\
class Split(nn.Module):
    def __init__(self, left, right):
        super().__init__()
        self.left = left
        self.right = right

    def forward(self, x):
        a, b = x.chunk(2, 1)
        return torch.cat([self.left(a), self.right(b)], 1)
""",
    "Attend": """\
class Attend(nn.Module):
    def __init__(self, query, key, value):
        super().__init__()
        self.query = query
        self.key = key
        self.value = value

    def forward(self, x):
        q, k, v = self.query(x), self.key(x), self.value(x)
        weights = (q.transpose(1, 2) @ k / q.shape[1] ** 0.5).softmax(2)
        return v @ weights.transpose(1, 2)
""",
    **{name: f"{SHARED[name].strip()}\n" for name in ("Recurrent", "SqueezeExcite", "AttentionPool")},
    "Positions": """\
class Positions(nn.Module):
    def __init__(self, *shape):
        super().__init__()
        self.shift = nn.Parameter(torch.zeros(shape))

    def forward(self, x):
        return x + self.shift
""",
    "Transpose": """\
class Transpose(nn.Module):
    def forward(self, x):
        return x.transpose(1, 2)
""",
}
"""By name, in the order in which a file has them."""
