"""Train, predict twice, score: one genome on one CLRS algorithm, with the targets in this process alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict

import numpy as np
from numpy.typing import NDArray

from archive.records import Failed, Outcome, Scored
from evaluators.evaluation import DRY_RUN_SEED, Sound, _curve, _weights_of, derived_seed, failure_of
from evaluators.params import carried, count_params
from evaluators.task import Evaluated
from evaluators.tasks.clrs.data import Array, read_split
from evaluators.tasks.clrs.frozen import outside_writes
from evaluators.tasks.clrs.inside.feature import Feature
from evaluators.tasks.clrs.recipes import ClrsRecipe
from evaluators.tasks.clrs.scoring import Score, decisions, score
from evaluators.tasks.clrs.specs import features_of
from sandbox.job import Job, Runner
from sandbox.limits import Limits
from sandbox.outcome import ChildOutcome, Finished, Raised, Usage

FLIPPED = 0.01
"""The share of graded decisions that may flip between two predictions. Scores come from decisions alone, and
what rounding does to a logit grows along a trajectory of hints fed back: values are not compared."""

ROWS = 64
"""Examples of 16 nodes at a time in a prediction; the loop takes fewer of larger ones."""

Weights = Mapping[str, Array]
Logits = Mapping[str, Array]


class ClrsEvaluator:
    """Evaluates genomes on one algorithm with one recipe. Never raises for what a genome does.

    Raises NotPrepared at once where the algorithm's caches are missing. `limits` hold for each child. The
    data are the benchmark's fixed sets: `campaign_seed` draws training randomness only.
    """

    def __init__(
        self,
        algorithm: str,
        scope: str,
        recipe: ClrsRecipe,
        runner: Runner,
        *,
        offers: Mapping[str, object],
        limits: Limits | None = None,
        campaign_seed: int = 0,
        ceiling: float = 1.0,
        split: str = "validation",
    ) -> None:
        self.features: tuple[Feature, ...] = features_of(algorithm)
        self.algorithm, self.recipe, self.runner = algorithm, recipe, runner
        self.limits, self.seed, self.ceiling = limits or Limits(), campaign_seed, ceiling
        self.training = _of_sizes(read_split(algorithm, "train"), recipe.nodes)
        graded = read_split(algorithm, split)
        (self.nodes,) = {name.split("/")[0] for name in graded}
        self.targets = _named(graded, f"{self.nodes}/output/")
        self.questions = {name: a for name, a in graded.items() if "/output/" not in name}
        for array in (*self.training.values(), *self.questions.values()):
            # The runner hands arrays that nobody can write over once, and shares them among all children.
            array.setflags(write=False)
        self.options: Mapping[str, object] = {
            "entry": "Model",
            "offers": dict(offers),
            "kwargs": {},
            "features": [list(feature) for feature in self.features],
            "scope": scope,
            "recipe": asdict(recipe),
        }

    @property
    def examples(self) -> int:
        return len(self.questions[f"{self.nodes}/length"])

    async def dry_run(self, source: str) -> Sound | ChildOutcome:
        """Made-up batches forward and backward. A genome that can't be trained comes back as what it did."""
        if findings := outside_writes(source):
            first = findings[0]
            return Raised("dry_run", "WritesOutside", f"{first.message} ({first.hint})", line=first.line)
        job = Job("dry_run", source, options=self.options, seed=DRY_RUN_SEED, limits=self.limits)
        outcome = await self.runner.run(job)
        if not isinstance(outcome, Finished):
            return outcome
        digest = outcome.notes.get("function_digest")
        return Sound(
            function_digest=digest if isinstance(digest, str) and len(digest) == 64 else "",
            params=count_params(outcome.arrays, outcome.notes.get("ties")),
            usage=outcome.usage,
        )

    async def evaluate(self, source: str, *, digest: str, repeat: int) -> Evaluated:
        """Train and score once. `digest` is the genome's source digest; `repeat` counts from 0."""
        return await _Evaluation(self, source, digest, repeat).run()

    async def grade(
        self, source: str, weights: Weights, *, digest: str, repeat: int
    ) -> NDArray[np.float32] | Failed:
        """Of each example, the share of right answers that these weights give: (examples,), 0 to 1."""
        return await _Evaluation(self, source, digest, repeat).grade(weights)


class _Evaluation:
    """One evaluation in progress: what it has spent and what it learnt."""

    def __init__(self, evaluator: ClrsEvaluator, source: str, digest: str, repeat: int) -> None:
        self._of, self._source, self._name = evaluator, source, (digest, repeat)
        self._usages: list[Usage] = []
        self._detail: dict[str, object] = {"isolation": evaluator.runner.level.value}

    async def run(self) -> Evaluated:
        outcome = await self._child("train", self._of.training, {}, "train")
        if not isinstance(outcome, Finished):
            return self._ended(failure_of(outcome, "train"))
        self._detail["curve"] = _curve(outcome.notes.get("curve"))
        trained = _weights_of(outcome, self._of.recipe.checkpoints)
        if isinstance(trained, Failed):
            return self._ended(trained)
        natural = np.arange(self._of.examples)
        first = await self._predict(trained.checkpoints, natural, ROWS, "predict")
        if isinstance(first, Failed):
            return self._ended(first)
        scores = [self._score(logits) for logits in first]
        best = max(range(len(scores)), key=lambda k: _value(scores[k]))
        self._detail["checkpoint"] = best
        once = scores[best]
        if isinstance(once, Failed):
            return self._ended(once)
        weights = trained.checkpoints[best]
        # Other neighbours, another order, another batch size, another seed: only the weights are the same.
        order = np.random.default_rng(self._draw("order")).permutation(natural)
        fewer = max(1, min(ROWS, len(natural)) // 7)
        second = await self._predict((weights,), order, fewer, "predict again")
        if isinstance(second, Failed):
            return self._ended(second)
        twice = self._score(second[0])
        if isinstance(twice, Failed):
            return self._ended(twice)
        if problem := disagree(self._of.features, first[best], second[0]):
            return self._ended(Failed("predict", problem))
        # Where the two differ within the tolerance, the worse counts.
        graded = once if once.value <= twice.value else twice
        self._detail["score"] = {"value": graded.value, **graded.by_output}
        params = count_params(weights, trained.ties)
        settled: Outcome = Scored({"error": graded.error, "params": float(params)})
        if graded.error > self._of.ceiling:
            limit = f"the ceiling {self._of.ceiling:.3f} on {self._of.algorithm}"
            settled = Failed("constraint", f"error {graded.error:.3f} is above {limit}")
        bits = np.packbits(once.correct & twice.correct).tobytes()
        return self._ended(settled, correct=bits, weights=weights)

    async def grade(self, weights: Weights) -> NDArray[np.float32] | Failed:
        found = await self._predict((weights,), np.arange(self._of.examples), ROWS, "test")
        if isinstance(found, Failed):
            return found
        graded = self._score(found[0])
        return graded if isinstance(graded, Failed) else graded.by_example

    def _score(self, logits: Logits) -> Score | Failed:
        try:
            return score(self._of.features, logits, self._of.targets)
        except ValueError as problem:
            return Failed("predict", str(problem))

    async def _predict(
        self, checkpoints: tuple[Weights, ...], order: NDArray[np.int64], batch: int, purpose: str
    ) -> list[Logits] | Failed:
        """Logits by output of each checkpoint, in the natural order, however the child was asked."""
        arrays = {name: array[order] for name, array in self._of.questions.items()}
        for number, weights in enumerate(checkpoints):
            arrays |= {f"weights/{number}/{name}": array for name, array in carried(weights).items()}
        options = {"batch": batch, "checkpoints": len(checkpoints)}
        outcome = await self._child("predict", arrays, options, purpose)
        if not isinstance(outcome, Finished):
            return failure_of(outcome, "predict")
        back = np.argsort(order)
        found: list[dict[str, Array]] = [{} for _ in checkpoints]
        for name in self._of.targets:
            logits = outcome.arrays.get(f"{self._of.nodes}/{name}")
            leading = (len(checkpoints), len(order))
            if logits is None or logits.shape[:2] != leading or logits.dtype != np.float32:
                got = "nothing" if logits is None else f"{logits.dtype} {logits.shape}"
                return Failed("predict", f"the reply must hold float32 {name} {leading} + ..., got {got}")
            for number, part in enumerate(logits):
                found[number][name] = part[back]
        return list(found)

    async def _child(
        self, function: str, arrays: Mapping[str, Array], options: Mapping[str, object], purpose: str
    ) -> ChildOutcome:
        outcome = await self._of.runner.run(
            Job(
                function,
                self._source,
                arrays=arrays,
                options={**self._of.options, **options},
                seed=self._draw(purpose),
                limits=self._of.limits,
            )
        )
        self._usages.append(outcome.usage)
        return outcome

    def _draw(self, purpose: str) -> int:
        return derived_seed(self._of.seed, *self._name, purpose)

    def _ended(self, outcome: Outcome, *, correct: bytes = b"", weights: Weights | None = None) -> Evaluated:
        self._detail["peak_rss"] = max((u.peak_rss for u in self._usages), default=0)
        return Evaluated(
            outcome,
            seconds=sum(u.seconds for u in self._usages),
            cpu_seconds=sum(u.cpu_seconds for u in self._usages),
            correct=correct,
            weights=weights or {},
            detail=self._detail,
        )


def disagree(features: tuple[Feature, ...], first: Logits, second: Logits) -> str:
    """Which output's decisions differ between two predictions of the same weights, "" if they agree."""
    for name, chosen in decisions(features, first).items():
        flipped = float((chosen != decisions(features, second)[name]).mean())
        if flipped > FLIPPED:
            return (
                f"{flipped:.1%} of the decisions on {name!r} flip when the same weights are asked in another "
                "order and batch size: batch leakage, or state outside the weights"
            )
    return ""


def _value(found: Score | Failed) -> float:
    return -1.0 if isinstance(found, Failed) else found.value


def _of_sizes(arrays: Mapping[str, Array], nodes: tuple[int, ...]) -> dict[str, Array]:
    if not nodes:
        return dict(arrays)
    kept = {name: array for name, array in arrays.items() if int(name.split("/")[0]) in nodes}
    missing = set(nodes) - {int(name.split("/")[0]) for name in kept}
    if missing:
        known = sorted({int(name.split("/")[0]) for name in arrays})
        raise ValueError(f"recipe.nodes: expected some of {known}, got {sorted(missing)[0]}")
    return kept


def _named(arrays: Mapping[str, Array], prefix: str) -> dict[str, Array]:
    return {name.removeprefix(prefix): a for name, a in arrays.items() if name.startswith(prefix)}
