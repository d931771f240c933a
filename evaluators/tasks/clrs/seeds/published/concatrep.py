"""CONCATREP, found by EvoPrompting (arXiv 2302.14838, A.4). For comparison, never a seed."""

import torch
from torch import nn


class Paired(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.linear = nn.Linear(inputs, outputs)
        self.deep = nn.Sequential(nn.Linear(inputs, 4 * outputs), nn.ReLU(), nn.Linear(4 * outputs, outputs))

    def forward(self, x):
        return torch.cat([self.linear(x), self.deep(x)], dim=-1)


class Model(nn.Module):
    def __init__(self, z_size, edge_size, graph_size, nb_triplet_fts, out_size):
        super().__init__()
        self.node_i = Paired(z_size, nb_triplet_fts)
        self.node_j = Paired(z_size, nb_triplet_fts)
        self.node_k = Paired(z_size, nb_triplet_fts)
        self.edge_ij = Paired(edge_size, nb_triplet_fts)
        self.edge_ik = Paired(edge_size, nb_triplet_fts)
        self.edge_jk = Paired(edge_size, nb_triplet_fts)
        self.graph = Paired(graph_size, nb_triplet_fts)
        self.output = nn.Linear(2 * nb_triplet_fts, out_size)

    def forward(self, z, edge_fts, graph_fts):
        node_i = self.node_i(z)[:, :, None, None]
        node_j = self.node_j(z)[:, None, :, None]
        node_k = self.node_k(z)[:, None, None, :]
        edge_ij = self.edge_ij(edge_fts)[:, :, :, None]
        edge_ik = self.edge_ik(edge_fts)[:, :, None, :]
        edge_jk = self.edge_jk(edge_fts)[:, None, :, :]
        graph = self.graph(graph_fts)[:, None, None, None]
        triplets = (edge_ij + node_i + node_j) + (edge_ik + node_k) + (edge_jk + graph)
        return self.output(triplets.amax(dim=1))
