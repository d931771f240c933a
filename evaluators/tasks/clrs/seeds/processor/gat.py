"""Graph attention network (Velickovic et al. 2018) as CLRS has it, with one head."""

import torch
from torch import nn


class Model(nn.Module):
    def __init__(self, hidden_size):
        super().__init__()
        self.value = nn.Linear(2 * hidden_size, hidden_size)
        self.skip = nn.Linear(2 * hidden_size, hidden_size)
        self.receiver = nn.Linear(2 * hidden_size, 1)
        self.sender = nn.Linear(2 * hidden_size, 1)
        self.edge = nn.Linear(hidden_size, 1)
        self.graph = nn.Linear(hidden_size, 1)
        self.norm = nn.LayerNorm(hidden_size)

    def forward(self, node_fts, edge_fts, graph_fts, adj_mat, hidden):
        z = torch.cat([node_fts, hidden], dim=-1)
        logits = self.receiver(z)[:, :, None] + self.sender(z)[:, None, :]
        logits = (logits + self.edge(edge_fts) + self.graph(graph_fts)[:, None, None]).squeeze(-1)
        logits = nn.functional.leaky_relu(logits, 0.01) + (adj_mat - 1.0) * 1e9
        received = torch.softmax(logits, dim=-1) @ self.value(z)
        return self.norm(torch.relu(received + self.skip(z)))
