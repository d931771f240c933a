"""Encoders and decoders of CLRS features, after Ibarz et al. 2022 (arXiv 2209.11142), section 3.

One linear layer encodes each feature and their sums are the node, edge and graph embeddings. Every encoder
is linear, so a whole location is encoded as one product of stacked planes with stacked weights, and what an
edge pointer sends to an edge (a mean over encoded triples) is the encoding of the mean.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from evoarch.evaluators.tasks.clrs.inside.feature import (
    CATEGORICAL,
    MASK,
    PERMUTATION,
    POINTER,
    POINTERS,
    SCALAR,
    Feature,
)

SINKHORN_STEPS, SINKHORN_TEMPERATURE = 10, 0.1


def linear(inputs: int, outputs: int, *, deviation: float | None = None, bias: float = 0.0) -> nn.Linear:
    """A linear layer with the benchmark's initialisation: normal, cut at two deviations of 1/sqrt(inputs)."""
    layer = nn.Linear(inputs, outputs)
    spread = deviation or 1 / math.sqrt(inputs)
    nn.init.trunc_normal_(layer.weight, std=spread, a=-2 * spread, b=2 * spread)
    nn.init.constant_(layer.bias, bias)
    return layer


class Encoded:
    """Planes that wait for their weights, by location, and the adjacency they imply.

    `stacks` holds each location's stacked weights; all steps of one forward pass share it, because the
    same features come in the same order at each.
    """

    def __init__(self, adjacency: Tensor, stacks: dict[str, tuple[Tensor, Tensor]]) -> None:
        self.adjacency = adjacency
        self._stacks = stacks
        self._planes: dict[str, list[Tensor]] = {"node": [], "edge": [], "graph": []}
        self._layers: dict[str, list[nn.Linear]] = {"node": [], "edge": [], "graph": []}

    def add(self, location: str, plane: Tensor, layer: nn.Linear) -> None:
        self._planes[location].append(plane)
        self._layers[location].append(layer)

    def copy(self) -> Encoded:
        other = Encoded(self.adjacency, self._stacks)
        for location in self._planes:
            other._planes[location] = list(self._planes[location])
            other._layers[location] = list(self._layers[location])
        return other

    def embed(self, location: str, shape: tuple[int, ...]) -> Tensor:
        """The sum of this location's encodings, (examples, ..., hidden); zeros where nothing is encoded."""
        layers = self._layers[location]
        if not layers:
            return self.adjacency.new_zeros(shape)
        if location not in self._stacks:
            weight = torch.cat([layer.weight for layer in layers], dim=1)
            self._stacks[location] = weight, torch.stack([layer.bias for layer in layers]).sum(0)
        return F.linear(torch.cat(self._planes[location], dim=-1), *self._stacks[location])


class Encoders(nn.Module):
    """One linear layer per input and hint (two for edge pointers: to the sender and to the receiver)."""

    def __init__(self, features: Sequence[Feature], hidden: int) -> None:
        super().__init__()
        self.layers = nn.ModuleDict()
        for feature in features:
            if feature.stage == "output":
                continue
            # Scalar hints vary the most: the benchmark gives them a small start ("xavier_on_scalars").
            small = feature.stage == "hint" and feature.kind == SCALAR
            deviation = 1 / math.sqrt(hidden) if small else None
            count = 2 if feature.location == "edge" and feature.kind == POINTER else 1
            self.layers[f"{feature.stage}_{feature.name}"] = nn.ModuleList(
                linear(feature.width, hidden, deviation=deviation) for _ in range(count)
            )

    def add(self, encoded: Encoded, feature: Feature, data: Tensor) -> None:
        """Add one feature's planes; `data` is in dense form (see `features.dense`)."""
        layers = self.layers[f"{feature.stage}_{feature.name}"]
        assert isinstance(layers, nn.ModuleList)
        first, *second = [layer for layer in layers if isinstance(layer, nn.Linear)]
        pointer = feature.kind in POINTERS
        plane = data if feature.kind == CATEGORICAL else data.unsqueeze(-1)
        if feature.location == "node" and pointer:
            _connect(encoded, data, 0.5)
            encoded.add("edge", plane, first)
        elif feature.location == "edge" and pointer:
            encoded.add("edge", data.mean(1).unsqueeze(-1), first)
            encoded.add("edge", data.mean(2).unsqueeze(-1), second[0])
        elif feature.location == "graph" and pointer:
            encoded.add("node", plane, first)
        else:
            if feature.location == "edge" and feature.kind == MASK:
                _connect(encoded, data, 0.0)
            encoded.add(feature.location, plane, first)


def _connect(encoded: Encoded, data: Tensor, threshold: float) -> None:
    """Nodes joined by a pointer or an edge mask are neighbours, in both directions."""
    joined = (data.detach() + data.detach().transpose(1, 2)) > threshold
    encoded.adjacency = torch.maximum(encoded.adjacency, joined.float())


class Decoder(nn.Module):
    """Reads one hint or output from node states (3 x hidden), edge states (`edge`) and the graph."""

    def __init__(self, feature: Feature, hidden: int, edge: int) -> None:
        super().__init__()
        self.feature = feature
        node, wide = 3 * hidden, feature.width
        pointer = feature.kind in POINTERS
        sizes: list[tuple[int, int]]
        if feature.location == "node":
            sizes = (
                [(node, hidden), (node, hidden), (edge, hidden), (hidden, 1)] if pointer else [(node, wide)]
            )
        elif feature.location == "edge" and pointer:
            sizes = [(node, hidden), (node, hidden), (edge, hidden), (node, hidden), (hidden, 1)]
        elif feature.location == "edge":
            sizes = [(node, wide), (node, wide), (edge, wide)]
        else:
            sizes = [(node, wide), (hidden, wide)] + ([(node, 1)] if pointer else [])
        self.layers = nn.ModuleList(linear(*size) for size in sizes)

    def forward(self, states: Tensor, edges: Tensor, graph: Tensor) -> Tensor:
        """Logits: nodes (B, N), edges (B, N, N), graph (B,); categories and pointers add a last dimension."""
        location, kind = self.feature.location, self.feature.kind
        parts = self.layers
        if location == "node" and kind in POINTERS:
            sent = parts[1](states).unsqueeze(2) + parts[2](edges)
            matched = torch.maximum(parts[0](states).unsqueeze(2), sent.transpose(1, 2))
            logits: Tensor = parts[3](matched).squeeze(-1)
            return log_sinkhorn(logits, noise=self.training) if kind == PERMUTATION else logits
        if location == "node":
            logits = parts[0](states)
        elif location == "edge":
            logits = parts[0](states).unsqueeze(2) + parts[1](states).unsqueeze(1) + parts[2](edges)
            if kind == POINTER:
                targets = parts[3](states)[:, None, None]
                return parts[4](torch.maximum(logits.unsqueeze(3), targets)).squeeze(-1)  # type: ignore[no-any-return]
        else:
            logits = parts[0](states.amax(dim=1)) + parts[1](graph)
            if kind == POINTER:
                return logits + parts[2](states).squeeze(-1)  # type: ignore[no-any-return]
        return logits if kind == CATEGORICAL else logits.squeeze(-1)


def log_sinkhorn(
    logits: Tensor, *, noise: bool, steps: int = SINKHORN_STEPS, temperature: float = SINKHORN_TEMPERATURE
) -> Tensor:
    """Log of a nearly doubly stochastic matrix (..., N, N) without a diagonal; Gumbel noise in training."""
    if noise:
        uniform = torch.rand_like(logits)
        logits = logits - torch.log(-torch.log(uniform + 1e-12) + 1e-12)
    itself = torch.eye(logits.shape[-1], dtype=logits.dtype, device=logits.device)
    logits = logits / temperature - 1e6 * itself
    for _ in range(steps):
        logits = torch.log_softmax(torch.log_softmax(logits, dim=-1), dim=-2)
    return logits


class Decoders(nn.Module):
    """A decoder for each hint and output."""

    def __init__(self, features: Sequence[Feature], hidden: int, edge: int) -> None:
        super().__init__()
        decoded = [feature for feature in features if feature.stage != "input"]
        self.parts = nn.ModuleDict({f"{f.stage}_{f.name}": Decoder(f, hidden, edge) for f in decoded})

    def forward(self, stage: str, states: Tensor, edges: Tensor, graph: Tensor) -> Mapping[str, Tensor]:
        return {
            part.feature.name: part(states, edges, graph)
            for part in self.parts.values()
            if isinstance(part, Decoder) and part.feature.stage == stage
        }
