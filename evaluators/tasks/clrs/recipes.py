"""How CLRS networks are trained: the paper's recipe and a fast one for the CPU."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from evoarch.evaluators.task import Recipe


@dataclass(frozen=True)
class ClrsRecipe(Recipe):
    """A recipe with Adam and gradients clipped at norm `clip`, training sizes in turn.

    `hidden` is the width of the network, `triplet` that of triplet features; `nodes` the training sizes
    that are used (empty: all that the cache has). `weight_decay` is not used.
    """

    optimiser: str = "adam"
    weight_decay: float = 0.0
    hidden: int = 128
    triplet: int = 8
    clip: float = 1.0
    nodes: tuple[int, ...] = ()


RECIPES = {
    "fast": ClrsRecipe("fast", rate=0.01, steps=200, batch=16, hidden=32, nodes=(11, 16)),
    "search": ClrsRecipe("search", rate=1e-3, steps=2000, batch=32, schedule="constant"),
    "paper": ClrsRecipe("paper", rate=1e-3, steps=10_000, batch=32, schedule="constant", checkpoints=20),
}
"""`search` and `paper`: EvoPrompting (arXiv 2302.14838), section 4.2: 2,000 steps for a child of the search,
10,000 for a final model, which keeps its best of regular validations (Ibarz et al. 2022, appendix A)."""

FAST = {"minimum": replace(RECIPES["fast"], steps=600, rate=0.005)}
"""Where 200 steps do not reach 95% on validation; a minimum runs over all nodes. Validation of single
trainings: 400 steps at 0.01: 0.945 to 0.967; 600 steps at 0.005: 0.960, 0.972, 0.964, at 0.01: 0.938."""


def recipes_of(algorithm: str, sizes: tuple[int, ...]) -> Mapping[str, ClrsRecipe]:
    """The recipes of one algorithm, whose training set has `sizes`."""
    fast = FAST.get(algorithm, RECIPES["fast"])
    nodes = fast.nodes if set(fast.nodes) <= set(sizes) else ()
    return {**RECIPES, "fast": replace(fast, nodes=nodes)}
