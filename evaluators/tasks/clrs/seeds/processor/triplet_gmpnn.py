"""Triplet-GMPNN (Ibarz et al. 2022): gated message passing and triplet messages to edges."""

import torch
from torch import nn


class Model(nn.Module):
    def __init__(self, hidden_size):
        super().__init__()
        self.receiver = nn.Linear(2 * hidden_size, hidden_size)
        self.sender = nn.Linear(2 * hidden_size, hidden_size)
        self.edge = nn.Linear(hidden_size, hidden_size)
        self.graph = nn.Linear(hidden_size, hidden_size)
        self.mixed = nn.Sequential(
            nn.ReLU(), nn.Linear(hidden_size, hidden_size), nn.ReLU(), nn.Linear(hidden_size, hidden_size)
        )
        self.keep = nn.Linear(2 * hidden_size, hidden_size)
        self.take = nn.Linear(hidden_size, hidden_size)
        self.norm = nn.LayerNorm(hidden_size)
        self.gate_keep = nn.Linear(2 * hidden_size, hidden_size)
        self.gate_take = nn.Linear(hidden_size, hidden_size)
        self.gate = nn.Linear(hidden_size, hidden_size)
        nn.init.constant_(self.gate.bias, -3.0)
        self.node_i = nn.Linear(2 * hidden_size, 8)
        self.node_j = nn.Linear(2 * hidden_size, 8)
        self.node_k = nn.Linear(2 * hidden_size, 8)
        self.edge_ij = nn.Linear(hidden_size, 8)
        self.edge_ik = nn.Linear(hidden_size, 8)
        self.edge_jk = nn.Linear(hidden_size, 8)
        self.triplet_graph = nn.Linear(hidden_size, 8)
        self.triplet_output = nn.Linear(8, hidden_size)

    def forward(self, node_fts, edge_fts, graph_fts, adj_mat, hidden):
        z = torch.cat([node_fts, hidden], dim=-1)
        messages = self.receiver(z)[:, None] + self.sender(z)[:, :, None]
        messages = self.mixed(messages + self.edge(edge_fts) + self.graph(graph_fts)[:, None, None])
        received = messages.amax(dim=1)
        state = self.norm(torch.relu(self.keep(z) + self.take(received)))
        gate = torch.sigmoid(self.gate(torch.relu(self.gate_keep(z) + self.gate_take(received))))
        ij = self.edge_ij(edge_fts) + self.node_i(z)[:, :, None] + self.node_j(z)[:, None]
        ik = self.edge_ik(edge_fts) + self.node_k(z)[:, None]
        jk = self.edge_jk(edge_fts) + self.triplet_graph(graph_fts)[:, None, None]
        triplets = ij[:, :, :, None] + ik[:, :, None] + jk[:, None]
        triplets = self.triplet_output(triplets.amax(dim=1))
        return state * gate + hidden * (1 - gate), torch.relu(triplets)
