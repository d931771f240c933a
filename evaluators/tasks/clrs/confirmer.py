"""Confirmation on CLRS: trained anew with other randomness, then asked at 64 nodes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from evoarch.archive.records import Failed
from evoarch.evaluators.flow import derived_seed
from evoarch.evaluators.sealed import Graded
from evoarch.evaluators.task import Evaluated
from evoarch.evaluators.tasks.clrs.evaluator import ClrsEvaluator
from evoarch.evaluators.tasks.clrs.recipes import ClrsRecipe
from evoarch.sandbox.job import Runner
from evoarch.sandbox.limits import Limits
from evoarch.sandbox.outcome import Array


class ClrsConfirmer:
    """The benchmark has no split between validation and test: candidates are ranked on its validation (16
    nodes), which the search saw, by trainings that it did not see. `n64` is its test.
    """

    def __init__(
        self,
        algorithm: str,
        scope: str,
        recipe: ClrsRecipe,
        runner: Runner,
        offers: Mapping[str, object],
        limits: Limits,
        campaign_seed: int,
    ) -> None:
        self._algorithm, self._scope, self._recipe, self._runner = algorithm, scope, recipe, runner
        self._offers, self._limits = offers, limits
        self._seed = derived_seed(campaign_seed, "", 0, "confirm")

    async def select(self, source: str, *, digest: str, repeat: int, rate: float) -> Evaluated:
        return await self._evaluator(rate, "validation").evaluate(source, digest=digest, repeat=repeat)

    async def open(
        self, source: str, weights: Mapping[str, Array], *, digest: str, repeat: int, rate: float
    ) -> Mapping[str, Graded] | Failed:
        found = await self._evaluator(rate, "test").grade(source, weights, digest=digest, repeat=repeat)
        return found if isinstance(found, Failed) else {"n64": Graded(found)}

    def _evaluator(self, rate: float, split: str) -> ClrsEvaluator:
        return ClrsEvaluator(
            self._algorithm,
            self._scope,
            replace(self._recipe, rate=rate),
            self._runner,
            offers=self._offers,
            limits=self._limits,
            campaign_seed=self._seed,
            ceiling=1.0,
            split=split,
        )
