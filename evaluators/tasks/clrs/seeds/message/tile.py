"""Seed 8 of EvoPrompting on CLRS (arXiv 2302.14838, A.5): a linear layer of the nodes alone, repeated."""

from torch import nn


class Model(nn.Module):
    def __init__(self, z_size, out_size):
        super().__init__()
        self.output = nn.Linear(z_size, out_size)

    def forward(self, z, edge_fts, graph_fts):
        nodes = z.shape[1]
        return self.output(z)[:, None].expand(-1, nodes, -1, -1)
