"""Pointer graph network (Velickovic et al. 2020) as CLRS has it: nodes hear their neighbours."""

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

    def forward(self, node_fts, edge_fts, graph_fts, adj_mat, hidden):
        z = torch.cat([node_fts, hidden], dim=-1)
        messages = self.receiver(z)[:, None] + self.sender(z)[:, :, None]
        messages = self.mixed(messages + self.edge(edge_fts) + self.graph(graph_fts)[:, None, None])
        unheard = adj_mat[..., None] < 0.5
        received = messages.masked_fill(unheard, -1e6).amax(dim=1)
        return self.norm(torch.relu(self.keep(z) + self.take(received)))
