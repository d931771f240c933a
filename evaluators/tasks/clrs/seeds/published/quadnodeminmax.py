"""QUADNODEMINMAX, found by EvoPrompting (arXiv 2302.14838, A.4). For comparison, never a seed."""

from torch import nn


class Model(nn.Module):
    def __init__(self, z_size, nb_triplet_fts):
        super().__init__()
        self.node_a = nn.Linear(z_size, nb_triplet_fts)
        self.node_b = nn.Linear(z_size, nb_triplet_fts)
        self.node_c = nn.Linear(z_size, nb_triplet_fts)
        self.node_d = nn.Linear(z_size, nb_triplet_fts)

    def forward(self, z, edge_fts, graph_fts):
        node_a = self.node_a(z)[:, None, None, :]
        node_b = self.node_b(z)[:, None, :, None]
        node_c = self.node_c(z)[:, :, None, None]
        node_d = self.node_d(z)[:, None, :, None]
        triplets = node_a + (node_b + node_d) + node_c
        return triplets.amax(dim=1) - triplets.amin(dim=1)
