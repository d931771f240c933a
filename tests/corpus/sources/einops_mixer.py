# rename: Mixer token channel
from einops.layers.torch import Rearrange
from einops import rearrange
from torch import nn
import torch
import itertools


class Mixer(nn.Module):
    def __init__(self, tokens, channels, expansion=2):
        super().__init__()
        self.token = nn.Sequential(nn.Linear(tokens, tokens * expansion), nn.GELU(), nn.Linear(tokens * expansion, tokens))
        self.channel = nn.Linear(channels, channels)
        self.norm = nn.LayerNorm(channels)

    def forward(self, x):
        x = x + rearrange(self.token(rearrange(self.norm(x), "b t c -> b c t")), "b c t -> b t c")
        return x + self.channel(x)


class Model(nn.Module):
    def __init__(self, input_shape, num_classes):
        super().__init__()
        self.patch = Rearrange("b (t c) -> b t c", t=8)
        self.mixers = nn.Sequential(*[Mixer(8, 5, expansion=i) for i in (1, 2)])
        self.head = nn.Linear(40, num_classes)

    def forward(self, x):
        return self.head(self.mixers(self.patch(x.flatten(1))).flatten(1))
