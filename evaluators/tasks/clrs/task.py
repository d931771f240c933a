"""CLRS tasks: one algorithm each, for message functions (as EvoPrompting has it) or for whole processors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING

from evoarch.evaluators.program import inside_program
from evoarch.evaluators.task import Recipe
from evoarch.evaluators.tasks.clrs.recipes import RECIPES, ClrsRecipe, recipes_of
from evoarch.evaluators.tasks.clrs.sampling import MATCHER_NODES, MATCHERS, TRAIN_NODES
from evoarch.evaluators.tasks.clrs.specs import features_of
from evoarch.sandbox.job import Program, Runner
from evoarch.sandbox.limits import Limits

# What measures is imported when it is asked for: it loads LibCST, and `evoarch tasks` only lists.
if TYPE_CHECKING:
    from evoarch.evaluators.tasks.clrs.confirmer import ClrsConfirmer
    from evoarch.evaluators.tasks.clrs.evaluator import ClrsEvaluator

SCOPES = ("message", "processor")
PACKAGE = "evoarch.evaluators.tasks.clrs.inside"


@dataclass(frozen=True)
class ClrsTask:
    """`clrs/<algorithm>`: a genome is the triplet message function, all else of Triplet-GMPNN is fixed.

    `Model(z_size, edge_size, graph_size, nb_triplet_fts, out_size)` (any of them, by name) returns a module
    whose `forward(z, edge_fts, graph_fts)` takes (B, N, z_size), (B, N, N, edge_size) and (B, graph_size)
    and returns (B, N, N, any). With scope `processor` (`clrs-processor/<algorithm>`), `Model(hidden_size)`
    returns a module whose `forward(node_fts, edge_fts, graph_fts, adj_mat, hidden)` returns the next hidden
    state (B, N, hidden_size), alone or with edge messages (B, N, N, any).
    """

    algorithm: str
    scope: str = "message"

    def __post_init__(self) -> None:
        features_of(self.algorithm)
        if self.scope not in SCOPES:
            raise ValueError(f"scope: expected one of {', '.join(SCOPES)}, got {self.scope!r}")

    @property
    def name(self) -> str:
        return ("clrs/" if self.scope == "message" else "clrs-processor/") + self.algorithm

    def describe(self) -> str:
        """As evaluators.task.Task says."""
        if self.scope == "message":
            return (
                f"Learn the algorithm {self.algorithm} on graphs (CLRS). The model is the triplet message "
                "function of a graph network: forward(z, edge_fts, graph_fts) gets (B, N, z_size), "
                "(B, N, N, edge_size) and (B, graph_size), and returns (B, N, N, any)."
            )
        return (
            f"Learn the algorithm {self.algorithm} on graphs (CLRS). The model is the processor of a graph "
            "network: forward(node_fts, edge_fts, graph_fts, adj_mat, hidden) returns the next hidden state, "
            "(B, N, hidden_size)."
        )

    @property
    def ceiling(self) -> float:
        """The paper has none for CLRS; a child that gets nothing right still fails."""
        return 0.95

    @property
    def recipes(self) -> Mapping[str, Recipe]:
        sizes = MATCHER_NODES if self.algorithm in MATCHERS else TRAIN_NODES
        return recipes_of(self.algorithm, sizes)

    @property
    def offers(self) -> Mapping[str, object]:
        """Sizes of the `paper` recipe; an evaluation offers those of its own recipe under the same names."""
        return self.offers_of(RECIPES["paper"])

    def offers_of(self, recipe: ClrsRecipe) -> Mapping[str, object]:
        """What an entry may name in its signature, at a recipe's widths."""
        hidden = recipe.hidden
        if self.scope == "processor":
            return {"hidden_size": hidden}
        sizes = {"z_size": 2 * hidden, "edge_size": hidden, "graph_size": hidden}
        return {**sizes, "nb_triplet_fts": recipe.triplet, "out_size": hidden}

    @property
    def seeds(self) -> Mapping[str, str]:
        """Baseline model files: the paper's nine message functions, or four processors."""
        return _files(self.scope)

    @property
    def published(self) -> Mapping[str, str]:
        """EvoPrompting's five discoveries: message functions to compare with, never to start from."""
        return _files("published")

    def program(self) -> Program:
        """The common inside files, and this task's."""
        files = dict(inside_program().files)
        files[PACKAGE] = ""
        for file in resources.files(PACKAGE).iterdir():
            if file.name.endswith(".py") and file.name != "__init__.py":
                files[f"{PACKAGE}.{file.name.removesuffix('.py')}"] = file.read_text(encoding="utf-8")
        return Program(files=dict(sorted(files.items())), entry=f"{PACKAGE}.main")

    def evaluator(
        self,
        recipe: Recipe,
        runner: Runner,
        *,
        limits: Limits | None = None,
        campaign_seed: int = 0,
        ceiling: float | None = None,
    ) -> ClrsEvaluator:
        """What measures a genome. Raises NotPrepared, naming the command, where there are no caches."""
        from evoarch.evaluators.tasks.clrs.evaluator import ClrsEvaluator

        if not isinstance(recipe, ClrsRecipe):
            raise TypeError(f"recipe: expected a ClrsRecipe, got {type(recipe).__name__}")
        return ClrsEvaluator(
            self.algorithm,
            self.scope,
            recipe,
            runner,
            offers=self.offers_of(recipe),
            limits=limits,
            campaign_seed=campaign_seed,
            ceiling=self.ceiling if ceiling is None else ceiling,
        )

    def confirmer(
        self, recipe: Recipe, runner: Runner, *, limits: Limits, campaign_seed: int, test_seed: int
    ) -> ClrsConfirmer:
        """Retrains, then asks the benchmark's sealed test of 64 nodes, which is the same for every seed."""
        from evoarch.evaluators.tasks.clrs.confirmer import ClrsConfirmer

        if not isinstance(recipe, ClrsRecipe):
            raise TypeError(f"recipe: expected a ClrsRecipe, got {type(recipe).__name__}")
        return ClrsConfirmer(
            self.algorithm, self.scope, recipe, runner, self.offers_of(recipe), limits, campaign_seed
        )


def _files(folder: str) -> dict[str, str]:
    found = resources.files("evoarch.evaluators.tasks.clrs") / "seeds" / folder
    files = sorted((f for f in found.iterdir() if f.name.endswith(".py")), key=lambda f: f.name)
    return {file.name.removesuffix(".py"): file.read_text(encoding="utf-8") for file in files}
