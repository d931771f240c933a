"""The gated message-passing processor that the message function of a genome completes."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from evoarch.evaluators.tasks.clrs.inside.codec import linear


class TripletGMPNN(nn.Module):
    """Triplet-GMPNN of Ibarz et al. 2022 (arXiv 2209.11142) with its triplet messages left open.

    `message(z, edge_fts, graph_fts)` takes (B, N, 2H), (B, N, N, H) and (B, H) and returns (B, N, N, any);
    a ReLU and the decoders follow.
    """

    def __init__(self, hidden: int, message: nn.Module) -> None:
        super().__init__()
        self.message = message
        self.read = True
        """Whether any decoder reads the messages; where none does, they are not computed."""
        self.from_receiver = linear(2 * hidden, hidden)
        self.from_sender = linear(2 * hidden, hidden)
        self.from_edge = linear(hidden, hidden)
        self.from_graph = linear(hidden, hidden)
        self.mixed = nn.Sequential(nn.ReLU(), linear(hidden, hidden), nn.ReLU(), linear(hidden, hidden))
        self.keep = linear(2 * hidden, hidden)
        self.take = linear(hidden, hidden)
        self.norm = nn.LayerNorm(hidden)
        self.gate_keep = linear(2 * hidden, hidden)
        self.gate_take = linear(hidden, hidden)
        # A closed gate at the start: the state changes little until training opens it.
        self.gate = linear(hidden, hidden, bias=-3.0)

    def forward(
        self, nodes: Tensor, edges: Tensor, graph: Tensor, adjacency: Tensor, hidden: Tensor
    ) -> tuple[Tensor, Tensor | None]:
        z = torch.cat([nodes, hidden], dim=-1)
        triplets = torch.relu(self._messages(z, edges, graph)) if self.read else None
        pairs = self.from_receiver(z).unsqueeze(1) + self.from_sender(z).unsqueeze(2)
        pairs = pairs + self.from_edge(edges) + self.from_graph(graph)[:, None, None]
        received = self.mixed(pairs).amax(dim=1)
        following = self.norm(torch.relu(self.keep(z) + self.take(received)))
        gate = torch.sigmoid(self.gate(torch.relu(self.gate_keep(z) + self.gate_take(received))))
        return following * gate + hidden * (1 - gate), triplets

    def _messages(self, z: Tensor, edges: Tensor, graph: Tensor) -> Tensor:
        """What the genome makes of its arguments; ValueError for a wrong shape or a write to them."""
        given = {"z": z, "edge_fts": edges, "graph_fts": graph}
        versions = {name: tensor._version for name, tensor in given.items()}
        triplets: Tensor = self.message(z, edges, graph)
        for name, tensor in given.items():
            if tensor._version != versions[name]:
                raise ValueError(
                    f"message function: expected {name} to be read only, got a write to it in place"
                )
        if triplets.shape[:3] != edges.shape[:3] or triplets.dim() != 4:
            expected = tuple(edges.shape[:3])
            raise ValueError(f"message function: expected {expected} + (any,), got {tuple(triplets.shape)}")
        return triplets
