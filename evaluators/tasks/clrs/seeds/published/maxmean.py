"""MAXMEAN, found by EvoPrompting (arXiv 2302.14838, A.4). For comparison, never a seed."""

from torch import nn


class Model(nn.Module):
    def __init__(self, z_size, edge_size, graph_size, nb_triplet_fts, out_size):
        super().__init__()
        self.node_i = nn.Linear(z_size, nb_triplet_fts)
        self.node_j = nn.Linear(z_size, nb_triplet_fts)
        self.node_k = nn.Linear(z_size, nb_triplet_fts)
        self.edge_ij = nn.Linear(edge_size, nb_triplet_fts)
        self.edge_ik = nn.Linear(edge_size, nb_triplet_fts)
        self.edge_jk = nn.Linear(edge_size, nb_triplet_fts)
        self.output = nn.Linear(nb_triplet_fts, out_size)

    def forward(self, z, edge_fts, graph_fts):
        node_i = self.node_i(z)[:, :, None, None]
        node_j = self.node_j(z)[:, None, :, None]
        node_k = self.node_k(z)[:, None, None, :]
        edge_ij = self.edge_ij(edge_fts)[:, :, :, None]
        edge_ik = self.edge_ik(edge_fts)[:, :, None, :]
        edge_jk = self.edge_jk(edge_fts)[:, None, :, :]
        triplets = (edge_ij + node_i + node_j) + (edge_ik + node_k) + edge_jk
        return self.output(triplets.clamp(min=-100.0).mean(dim=1))
