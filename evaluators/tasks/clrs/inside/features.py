"""How features in stored form become numbers, and batches of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from evoarch.evaluators.tasks.clrs.inside.feature import MASK, POINTERS, SCALAR, Feature


def dense(feature: Feature, stored: Tensor, nodes: int) -> Tensor:
    """The float form that encoders take: pointers become one-hot rows over nodes, the rest stays in shape."""
    if feature.kind in POINTERS:
        return F.one_hot(stored.long(), nodes).float()
    return stored.float()


def softened(feature: Feature, logits: Tensor) -> Tensor:
    """A predicted hint as the next step's input: differentiable probabilities ("soft" hints)."""
    if feature.kind == SCALAR:
        return logits
    if feature.kind == MASK:
        return torch.sigmoid(logits)
    return torch.softmax(logits, dim=-1)


def with_random_positions(positions: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Fresh ordered random positions (examples, nodes) in place of evenly spaced ones.

    A zero starts a new run (the second string of a matching task); each run is sorted by itself. From
    Ibarz et al. 2022, section 3.2.2: the model may not learn positions by heart.
    """
    runs = (positions == 0).cumsum(dim=1).to(positions.dtype)
    drawn = torch.rand(positions.shape, generator=generator, dtype=positions.dtype).to(positions.device)
    return (runs + drawn).sort(dim=1).values - runs


class Batch(NamedTuple):
    """Examples of one size. Inputs and outputs (examples, ...) and hints (examples, steps, ...) as stored.

    `lengths` (examples,): how many hint steps are real; the rest is padding.
    """

    inputs: Mapping[str, Tensor]
    hints: Mapping[str, Tensor]
    outputs: Mapping[str, Tensor]
    lengths: Tensor

    @property
    def nodes(self) -> int:
        return self.inputs["pos"].shape[1]

    def to(self, device: torch.device) -> Batch:
        def there(group: Mapping[str, Tensor]) -> dict[str, Tensor]:
            return {name: stored.to(device) for name, stored in group.items()}

        return Batch(there(self.inputs), there(self.hints), there(self.outputs), self.lengths.to(device))

    def pick(self, rows: Tensor) -> Batch:
        """Some examples, hints cut to the longest of them."""
        rows = rows.to(self.lengths.device)
        lengths = self.lengths.index_select(0, rows)
        steps = max(1, int(lengths.max()))

        def some(group: Mapping[str, Tensor]) -> dict[str, Tensor]:
            return {name: stored.index_select(0, rows) for name, stored in group.items()}

        hints = {name: stored[:, :steps] for name, stored in some(self.hints).items()}
        return Batch(some(self.inputs), hints, some(self.outputs), lengths)


def batches_from(arrays: Mapping[str, Tensor]) -> dict[int, Batch]:
    """Sizes to batches, from arrays named `<nodes>/<stage>/<feature>` and `<nodes>/length`."""
    found: dict[int, Batch] = {}
    for size in sorted({int(name.split("/")[0]) for name in arrays}):
        groups: dict[str, dict[str, Tensor]] = {"input": {}, "hint": {}, "output": {}}
        for name, array in arrays.items():
            nodes, stage, *rest = name.split("/")
            if int(nodes) == size and rest:
                groups[stage][rest[0]] = array
        lengths = arrays[f"{size}/length"].long()
        found[size] = Batch(groups["input"], groups["hint"], groups["output"], lengths)
    return found
