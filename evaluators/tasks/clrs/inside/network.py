"""The recurrent network around a processor: encode, process, decode, and feed soft hints back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from evoarch.evaluators.tasks.clrs.inside.codec import Decoders, Encoded, Encoders
from evoarch.evaluators.tasks.clrs.inside.feature import Feature, of_stage, reads_edges
from evoarch.evaluators.tasks.clrs.inside.features import Batch, dense, softened
from evoarch.evaluators.tasks.clrs.inside.processor import TripletGMPNN


class Predicted(NamedTuple):
    """Logits by feature name: `outputs` (examples, ...), `hints` one mapping per step after the first."""

    outputs: dict[str, Tensor]
    hints: list[dict[str, Tensor]]


class Network(nn.Module):
    """Encoders, a processor and decoders for one algorithm.

    `processor(nodes, edges, graph, adjacency, hidden)` takes (B, N, H), (B, N, N, H), (B, H), (B, N, N) and
    (B, N, H) and returns the next hidden state (B, N, H), alone or with edge messages (B, N, N, any).
    """

    def __init__(self, features: Sequence[Feature], processor: nn.Module, hidden: int) -> None:
        super().__init__()
        self.hidden = hidden
        self.inputs = of_stage(features, "input")
        self.hints = of_stage(features, "hint")
        self.outputs = of_stage(features, "output")
        self.processor = processor
        self.encoders = Encoders(features, hidden)
        self.decoders = Decoders(features, hidden, hidden + message_size(processor, hidden))
        if isinstance(processor, TripletGMPNN):
            processor.read = reads_edges(features)

    def forward(self, batch: Batch, *, keep_hints: bool = True) -> Predicted:
        """Run as many steps as the batch's hints (at least one); an example's output is that of its last."""
        examples, nodes = batch.inputs["pos"].shape[:2]
        adjacency = torch.eye(nodes, device=batch.inputs["pos"].device).expand(examples, nodes, nodes)
        fixed = Encoded(adjacency, {})
        for feature in self.inputs:
            self.encoders.add(fixed, feature, dense(feature, batch.inputs[feature.name], nodes))
        current = {f.name: dense(f, batch.hints[f.name][:, 0], nodes) for f in self.hints}
        hidden = adjacency.new_zeros(examples, nodes, self.hidden)
        outputs: dict[str, Tensor] = {}
        kept: list[dict[str, Tensor]] = []
        for step in range(max(1, int(batch.lengths.max()) - 1)):
            encoded = fixed.copy()
            for feature in self.hints:
                self.encoders.add(encoded, feature, current[feature.name])
            node = encoded.embed("node", (examples, nodes, self.hidden))
            edge = encoded.embed("edge", (examples, nodes, nodes, self.hidden))
            graph = encoded.embed("graph", (examples, self.hidden))
            following, messages = _split(self.processor(node, edge, graph, encoded.adjacency, hidden))
            states = torch.cat([node, hidden, following], dim=-1)
            edges = edge if messages is None else torch.cat([edge, messages], dim=-1)
            hidden = following
            hints = dict(self.decoders("hint", states, edges, graph))
            running = batch.lengths > step + 1
            for name, logits in self.decoders("output", states, edges, graph).items():
                # An example that has ended keeps the output of its own last step.
                alive = running.view(-1, *[1] * (logits.dim() - 1))
                outputs[name] = torch.where(alive, logits, outputs[name]) if step else logits
            if keep_hints:
                kept.append(hints)
            current = {f.name: softened(f, hints[f.name]) for f in self.hints}
        return Predicted(outputs, kept)


def _split(returned: Tensor | tuple[Tensor, Tensor | None]) -> tuple[Tensor, Tensor | None]:
    return returned if isinstance(returned, tuple) else (returned, None)


def message_size(processor: nn.Module, hidden: int) -> int:
    """The width of a processor's edge messages (0 without), found by one call on zeros; checks its shapes."""
    nodes = 3
    zeros = torch.zeros(1, nodes, nodes, hidden)
    was_training = processor.training
    processor.eval()
    with torch.no_grad():
        arguments = zeros[:, 0], zeros, zeros[:, 0, 0], torch.ones(1, nodes, nodes), zeros[:, 0]
        following, messages = _split(processor(*arguments))
    processor.train(was_training)
    if following.shape != (1, nodes, hidden):
        expected = (1, nodes, hidden)
        raise ValueError(
            f"processor: expected a hidden state of shape {expected}, got {tuple(following.shape)}"
        )
    if messages is None:
        return 0
    if messages.dim() != 4 or messages.shape[:3] != (1, nodes, nodes):
        raise ValueError(
            f"edge messages: expected shape {(1, nodes, nodes)} + (any,), got {tuple(messages.shape)}"
        )
    return int(messages.shape[3])
