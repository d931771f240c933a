"""One evaluation, the same for every task: train in a child, predict in others, twice, and score here.

The task brings its `Grading`: what the children are asked and what their answers are worth. What was spent,
which seeds are drawn, what a failure is called and why two predictions differ is said here once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from evoarch.archive.records import Failed, Outcome, Scored
from evoarch.evaluators.failures import failure_of
from evoarch.evaluators.params import carried, count_params
from evoarch.evaluators.recipe import of_genome
from evoarch.evaluators.replies import Weights, checkpoints_of, curve_of, weights_of
from evoarch.evaluators.segments import Segment, inherited_share
from evoarch.evaluators.signature import Signature
from evoarch.evaluators.task import Evaluated, Recipe
from evoarch.sandbox.description import Description, describe
from evoarch.sandbox.job import Job, Runner
from evoarch.sandbox.limits import Limits
from evoarch.sandbox.outcome import Array, ChildOutcome, Finished, Usage

Answers = TypeVar("Answers")

LEAK = "batch leakage: an example's logits depend on the others that are predicted with it"

DRY_RUN_SEED = 0
"""One seed for all, so that two genomes that compute the same show the same digest."""


@dataclass(frozen=True)
class Question:
    """Unlabelled inputs for a predicting child, asked `batch` at a time.

    `order` says which example stands where: position i holds example `order[i]`. Numbers from the count of
    graded examples on are decoys, whose answers are thrown away.
    """

    arrays: Mapping[str, Array]
    order: NDArray[np.int64]
    batch: int
    fresh: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    """Which fresh examples the decoys are, in their order, where the task makes such."""


@dataclass(frozen=True)
class Grade:
    """What an evaluation is worth. `error` is in [0, 1]; `correct` has one bit per graded example; `metrics`
    are what else the task measures, by name, smaller being better.
    """

    error: float
    correct: NDArray[np.bool_]
    detail: Mapping[str, object] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)

    def scored(self, params: int) -> Scored:
        """As an outcome, beside the number of parameters."""
        return Scored({"error": self.error, "params": float(params), **self.metrics})


class Grading(Protocol[Answers]):
    """A task's side of an evaluation. It holds the targets, and runs in the trusted process alone.

    `Answers` are the predictions of one checkpoint in the examples' own order.
    """

    @property
    def prefix(self) -> str:
        """Stands before a checkpoint's number in the names of the weights that a predicting child gets."""
        ...

    @property
    def leak(self) -> str:
        """What is said where answers depend on what else was asked, and not on the process."""
        ...

    @property
    def worthless(self) -> str:
        """What is said where no checkpoint counts."""
        ...

    def training(self) -> Mapping[str, Array]:
        """What the training child gets."""
        ...

    def question(self) -> Question:
        """The graded examples in their own order."""
        ...

    def otherwise(self, rng: np.random.Generator) -> Question:
        """The same examples in another order, batch size and company."""
        ...

    def read(self, reply: Finished, asked: Question, checkpoints: int) -> Sequence[Answers] | Failed:
        """The answers of each checkpoint, checked against what was asked."""
        ...

    def aside(self, reply: Finished, asked: Question) -> Mapping[str, object]:
        """What a reply shows beside the graded examples, for the record: never a score."""
        ...

    def choose(self, answers: Sequence[Answers]) -> int | None:
        """The checkpoint that counts; None if there is none whose answers are worth anything."""
        ...

    def disagree(self, first: Answers, second: Answers) -> str:
        """How two predictions of the same weights differ, "" if they agree."""
        ...

    def grade(self, first: Answers, second: Answers) -> Grade | Failed:
        """What both predictions together are worth: where they differ, the worse counts."""
        ...


@dataclass(frozen=True)
class Setting:
    """What all evaluations of one evaluator share: `options` go to every child, messages name `task`."""

    task: str
    recipe: Recipe
    runner: Runner
    limits: Limits
    campaign_seed: int
    ceiling: float
    options: Mapping[str, object]
    exempt: Description | None = None
    """The data that a source may hold for nothing, where that is above the free allowance."""

    def source_params(self, source: str) -> int:
        """The parameters that stand in a source as data."""
        return describe(source).params(self.exempt)


class Flow(Generic[Answers]):
    """One evaluation in progress: what it has spent and what it learnt. `run` once."""

    def __init__(
        self,
        setting: Setting,
        grading: Grading[Answers],
        source: str,
        digest: str,
        repeat: int,
        segment: Segment | None = None,
        signature: Signature | None = None,
    ) -> None:
        self._signature = signature
        self._of, self._grading, self._source, self._name = setting, grading, source, (digest, repeat)
        self._segment = segment or Segment(0, setting.recipe.steps)
        self._usages: list[Usage] = []
        self._detail: dict[str, object] = {"isolation": setting.runner.level.value}

    async def run(self) -> Evaluated:
        """Trains, predicts twice and scores. Never raises for what the genome does."""
        trained = await self._train()
        if isinstance(trained, Failed):
            return self._ended(trained)
        asked = self._grading.question()
        answers = await self._predict(trained.checkpoints, asked, "predict")
        if isinstance(answers, Failed):
            return self._ended(answers)
        best = self._grading.choose(answers)
        self._detail["checkpoint"] = best
        if best is None:
            return self._ended(Failed("predict", self._grading.worthless))
        weights, first = trained.checkpoints[best], answers[best]
        params = count_params(weights, trained.ties)
        if data := self._of.source_params(self._source):
            self._detail["source_params"] = data
            params += data
        early = self._grading.grade(first, first)
        if isinstance(early, Failed):
            return self._ended(early)
        if self._segment.stop < self._of.recipe.steps:
            return self._ended(early.scored(params), state=trained.state)
        # Other neighbours, another order, another batch size, another seed: only the weights are the same.
        other = self._grading.otherwise(np.random.default_rng(self._draw("order")))
        second = await self._predict((weights,), other, "predict again")
        if isinstance(second, Failed):
            return self._ended(second)
        if problem := self._grading.disagree(first, second[0]):
            return self._ended(await self._explain(weights, first, problem))
        grade = self._grading.grade(first, second[0])
        if isinstance(grade, Failed):
            return self._ended(grade)
        self._detail |= grade.detail
        outcome: Outcome = grade.scored(params)
        if grade.error > self._of.ceiling:
            limit = f"the ceiling {self._of.ceiling:.3f} on {self._of.task}"
            outcome = Failed("constraint", f"error {grade.error:.3f} is above {limit}")
        return self._ended(outcome, correct=np.packbits(grade.correct).tobytes(), weights=weights)

    async def ask_twice(self, weights: Mapping[str, Array], purpose: str) -> tuple[Answers, Answers] | Failed:
        """The graded examples, answered by given weights plainly and otherwise; a failure where the two
        differ. `purpose` names the children's randomness.
        """
        first = await self._predict((weights,), self._grading.question(), purpose)
        if isinstance(first, Failed):
            return first
        other = self._grading.otherwise(np.random.default_rng(self._draw(f"{purpose} order")))
        second = await self._predict((weights,), other, f"{purpose} again")
        if isinstance(second, Failed):
            return second
        if problem := self._grading.disagree(first[0], second[0]):
            return Failed("predict", f"two predictions of the test differ: {problem}")
        return first[0], second[0]

    async def _train(self) -> Weights | Failed:
        segment = self._segment
        try:
            recipe = of_genome(self._of.recipe, self._source)
        except ValueError as error:
            return Failed("train", str(error))
        outcome = await self._child(
            "train",
            {**self._grading.training(), **segment.arrays()},
            {"recipe": asdict(recipe), "start": segment.start, "stop": segment.stop},
            "train",
        )
        if not isinstance(outcome, Finished):
            return failure_of(outcome, "train")
        used = outcome.usage
        self._detail["training"] = {"cpu_seconds": used.cpu_seconds, "memory": used.above / (1 << 20)}
        self._detail["curve"] = curve_of(outcome.notes.get("curve"))
        trained = weights_of(
            outcome, checkpoints_of(recipe, segment), segment.stop < recipe.steps, self._signature
        )
        if segment.inherit and isinstance(trained, Weights):
            share = inherited_share(trained.checkpoints[0], segment.inherit)
            self._detail["inherited_share"] = round(share, 4)
        return trained

    async def _predict(
        self, checkpoints: tuple[Mapping[str, Array], ...], asked: Question, purpose: str
    ) -> Sequence[Answers] | Failed:
        arrays = dict(asked.arrays)
        for number, weights in enumerate(checkpoints):
            prefix = f"{self._grading.prefix}{number}/"
            arrays |= {prefix + name: array for name, array in carried(weights).items()}
        options = {"batch": asked.batch, "checkpoints": len(checkpoints)}
        outcome = await self._child("predict", arrays, options, purpose)
        if not isinstance(outcome, Finished):
            return failure_of(outcome, "predict")
        answers = self._grading.read(outcome, asked, len(checkpoints))
        if not isinstance(answers, Failed):
            self._detail |= self._grading.aside(outcome, asked)
        return answers

    async def _explain(self, weights: Mapping[str, Array], first: Answers, problem: str) -> Failed:
        """Why two predictions differ: asked as at first once more, under a third seed."""
        third = await self._predict((weights,), self._grading.question(), "predict a third time")
        if isinstance(third, Failed):
            return third
        if self._grading.disagree(first, third[0]):
            kind = (
                "state outside the weights: the same weights and inputs give other logits in a fresh process"
            )
        else:
            kind = self._grading.leak
        return Failed("predict", f"{kind} ({problem})")

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
        return derived_seed(self._of.campaign_seed, *self._name, purpose)

    def _ended(
        self,
        outcome: Outcome,
        *,
        correct: bytes = b"",
        weights: Mapping[str, Array] | None = None,
        state: Mapping[str, Array] | None = None,
    ) -> Evaluated:
        self._detail["peak_rss"] = max((u.peak_rss for u in self._usages), default=0)
        return Evaluated(
            outcome,
            seconds=sum(u.seconds for u in self._usages),
            cpu_seconds=sum(u.cpu_seconds for u in self._usages),
            correct=correct,
            weights=weights or {},
            detail=self._detail,
            state=state or {},
        )


def derived_seed(campaign_seed: int, digest: str, repeat: int, purpose: str) -> int:
    """63 bits that are a function of names alone."""
    name = f"{campaign_seed}\n{digest}\n{repeat}\n{purpose}"
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") >> 1
