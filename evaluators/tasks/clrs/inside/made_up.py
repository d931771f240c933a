"""Made-up batches of the right shape, for runs that need no real data."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from evoarch.evaluators.tasks.clrs.inside.feature import CATEGORICAL, MASK, MASK_ONE, SCALAR, Feature
from evoarch.evaluators.tasks.clrs.inside.features import Batch


def made_up(
    features: Sequence[Feature], examples: int, nodes: int, steps: int, generator: torch.Generator
) -> Batch:
    """A batch of random values, each feature in the stored form of its kind.

    Lengths are drawn from 2 to `steps`; the first example has all of them.
    """
    groups: dict[str, dict[str, Tensor]] = {"input": {}, "hint": {}, "output": {}}
    for feature in features:
        leading = (examples, steps) if feature.stage == "hint" else (examples,)
        places = {"node": (nodes,), "edge": (nodes, nodes), "graph": ()}[feature.location]
        groups[feature.stage][feature.name] = _values(feature, (*leading, *places), nodes, generator)
    lengths = torch.randint(2, steps + 1, (examples,), generator=generator)
    lengths[0] = steps
    return Batch(groups["input"], groups["hint"], groups["output"], lengths)


def _values(feature: Feature, shape: tuple[int, ...], nodes: int, generator: torch.Generator) -> Tensor:
    if feature.kind == SCALAR:
        return torch.rand(shape, generator=generator)
    if feature.kind == MASK:
        return torch.randint(2, shape, generator=generator).to(torch.int8)
    if feature.kind in (MASK_ONE, CATEGORICAL):
        # A mask over nodes has one of them set; categories have their own last dimension.
        width = nodes if feature.kind == MASK_ONE else feature.width
        rows = shape[:-1] if feature.kind == MASK_ONE else shape
        chosen = torch.randint(width, rows, generator=generator)
        return torch.nn.functional.one_hot(chosen, width).to(torch.int8)
    return torch.randint(nodes, shape, generator=generator).to(torch.int8)
