"""Seed 9 of EvoPrompting on CLRS (arXiv 2302.14838, A.5): products of a linear layer and an MLP."""

from torch import nn


class Product(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        self.linear = nn.Linear(inputs, outputs)
        self.deep = nn.Sequential(nn.Linear(inputs, 8 * outputs), nn.ReLU(), nn.Linear(8 * outputs, outputs))

    def forward(self, x):
        return self.linear(x) * self.deep(x)


class Model(nn.Module):
    def __init__(self, z_size, edge_size, graph_size, nb_triplet_fts, out_size):
        super().__init__()
        self.node_i = Product(z_size, nb_triplet_fts)
        self.node_j = Product(z_size, nb_triplet_fts)
        self.node_k = Product(z_size, nb_triplet_fts)
        self.edge_ij = Product(edge_size, nb_triplet_fts)
        self.edge_ik = Product(edge_size, nb_triplet_fts)
        self.edge_jk = Product(edge_size, nb_triplet_fts)
        self.graph = Product(graph_size, nb_triplet_fts)
        self.output = Product(nb_triplet_fts, out_size)

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
