"""Train, predict twice, score: one genome on one CLRS algorithm, with the targets in this process alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict

import numpy as np
from numpy.typing import NDArray

from evoarch.archive.records import Failed
from evoarch.evaluators.failures import failure_of
from evoarch.evaluators.flow import DRY_RUN_SEED, LEAK, Flow, Grade, Question, Setting
from evoarch.evaluators.replies import DryRunPassed, sound_of
from evoarch.evaluators.signature import Signature
from evoarch.evaluators.signatures import Signatures
from evoarch.evaluators.task import Evaluated
from evoarch.evaluators.tasks.clrs.data import Array, read_split
from evoarch.evaluators.tasks.clrs.frozen import outside_writes
from evoarch.evaluators.tasks.clrs.inside.feature import Feature
from evoarch.evaluators.tasks.clrs.recipes import ClrsRecipe
from evoarch.evaluators.tasks.clrs.scoring import Score, decisions, score
from evoarch.evaluators.tasks.clrs.specs import features_of
from evoarch.sandbox.job import Job, Runner
from evoarch.sandbox.limits import Limits
from evoarch.sandbox.outcome import ChildOutcome, Finished, Raised

FLIPPED = 0.01
"""The share of graded decisions that may flip between two predictions. Scores come from decisions alone, and
what rounding does to a logit grows along a trajectory of hints fed back: values are not compared."""

ROWS = 64
"""Examples of 16 nodes at a time in a prediction; the loop takes fewer of larger ones."""

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
        graded = read_split(algorithm, split)
        self._grading = ClrsGrading(
            features_of(algorithm), _of_sizes(read_split(algorithm, "train"), recipe.nodes), graded
        )
        self._signatures = Signatures()
        self._setting = Setting(
            task=algorithm,
            recipe=recipe,
            runner=runner,
            limits=limits or Limits(),
            campaign_seed=campaign_seed,
            ceiling=ceiling,
            options={
                "entry": "Model",
                "offers": dict(offers),
                "kwargs": {},
                "features": [list(feature) for feature in features_of(algorithm)],
                "scope": scope,
                "recipe": asdict(recipe),
            },
        )

    async def dry_run(self, source: str) -> DryRunPassed | ChildOutcome:
        """Made-up batches forward and backward. A genome that can't be trained comes back as what it did."""
        if findings := outside_writes(source):
            first = findings[0]
            return Raised("dry_run", "WritesOutside", f"{first.message} ({first.hint})", line=first.line)
        of = self._setting
        job = Job("dry_run", source, options=of.options, seed=DRY_RUN_SEED, limits=of.limits)
        outcome = await of.runner.run(job)
        if not isinstance(outcome, Finished):
            return outcome
        passed = sound_of(outcome, of.source_params(source))
        self._signatures.keep(source, passed.signature)
        return passed

    async def evaluate(self, source: str, *, digest: str, repeat: int) -> Evaluated:
        """Train and score once. `digest` is the genome's source digest; `repeat` counts from 0."""
        signature = await self._signatures.of(source, self._setting)
        if not isinstance(signature, Signature):
            return Evaluated(
                failure_of(signature, "train"), signature.usage.seconds, signature.usage.cpu_seconds
            )
        flow = Flow(self._setting, self._grading, source, digest, repeat, signature=signature)
        return await flow.run()

    async def grade(
        self, source: str, weights: Mapping[str, Array], *, digest: str, repeat: int
    ) -> NDArray[np.float32] | Failed:
        """Of each example, the share of right answers that these weights give: (examples,), 0 to 1."""
        flow = Flow(self._setting, self._grading, source, digest, repeat)
        answers = await flow.ask_twice(weights, "test")
        if isinstance(answers, Failed):
            return answers
        first, second = (self._grading.by_example(logits) for logits in answers)
        if isinstance(first, Failed):
            return first
        return second if isinstance(second, Failed) else np.minimum(first, second)


class ClrsGrading:
    """Grades the decisions on every output of an algorithm."""

    prefix = "weights/"
    leak = LEAK
    worthless = "the logits are not finite"

    def __init__(
        self, features: tuple[Feature, ...], training: Mapping[str, Array], graded: Mapping[str, Array]
    ) -> None:
        self._features, self._training = features, training
        (self._nodes,) = {name.split("/")[0] for name in graded}
        self._targets = _named(graded, f"{self._nodes}/output/")
        self._questions = {name: a for name, a in graded.items() if "/output/" not in name}
        for array in (*training.values(), *self._questions.values()):
            # The runner hands arrays that nobody can write over once, and shares them among all children.
            array.setflags(write=False)

    def training(self) -> Mapping[str, Array]:
        return self._training

    def question(self) -> Question:
        return self._in_order(np.arange(self._examples), ROWS)

    def otherwise(self, rng: np.random.Generator) -> Question:
        fewer = max(1, min(ROWS, self._examples) // 7)
        return self._in_order(rng.permutation(np.arange(self._examples)), fewer)

    def read(self, reply: Finished, asked: Question, checkpoints: int) -> Sequence[Logits] | Failed:
        """Logits by output of each checkpoint, in the natural order, however the child was asked."""
        back = np.argsort(asked.order)
        found: list[dict[str, Array]] = [{} for _ in range(checkpoints)]
        for name in self._targets:
            logits = reply.arrays.get(f"{self._nodes}/{name}")
            leading = (checkpoints, len(asked.order))
            if logits is None or logits.shape[:2] != leading or logits.dtype != np.float32:
                got = "nothing" if logits is None else f"{logits.dtype} {logits.shape}"
                return Failed("predict", f"the reply must hold float32 {name} {leading} + ..., got {got}")
            for number, part in enumerate(logits):
                found[number][name] = part[back]
        return found

    def aside(self, reply: Finished, asked: Question) -> Mapping[str, object]:
        """Nothing: the benchmark's sets are fixed, and no fresh example is mixed in."""
        return {}

    def choose(self, answers: Sequence[Logits]) -> int | None:
        scores = [self._score(logits) for logits in answers]
        return max(range(len(scores)), key=lambda k: _value(scores[k]))

    def disagree(self, first: Logits, second: Logits) -> str:
        return disagree(self._features, first, second)

    def grade(self, first: Logits, second: Logits) -> Grade | Failed:
        """Where the two differ within the tolerance, the worse counts."""
        once, twice = self._score(first), self._score(second)
        if isinstance(once, Failed):
            return once
        if isinstance(twice, Failed):
            return twice
        worse = once if once.value <= twice.value else twice
        detail = {"score": {"value": worse.value, **worse.by_output}}
        return Grade(worse.error, once.correct & twice.correct, detail)

    def by_example(self, logits: Logits) -> NDArray[np.float32] | Failed:
        """The share of right answers of each example, 0 to 1."""
        graded = self._score(logits)
        return graded if isinstance(graded, Failed) else graded.by_example

    @property
    def _examples(self) -> int:
        return len(self._questions[f"{self._nodes}/length"])

    def _in_order(self, order: NDArray[np.int64], batch: int) -> Question:
        return Question({name: array[order] for name, array in self._questions.items()}, order, batch)

    def _score(self, logits: Logits) -> Score | Failed:
        try:
            return score(self._features, logits, self._targets)
        except ValueError as problem:
            return Failed("predict", str(problem))


def disagree(features: tuple[Feature, ...], first: Logits, second: Logits) -> str:
    """Which output's decisions differ between two predictions of the same weights, "" if they agree."""
    for name, chosen in decisions(features, first).items():
        flipped = float((chosen != decisions(features, second)[name]).mean())
        if flipped > FLIPPED:
            return (
                f"{flipped:.1%} of the decisions on {name!r} flip when the same weights are asked in another "
                "order and batch size"
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
