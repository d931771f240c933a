"""The measuring of one genome on a task of examples: the shared flow, with the task's own grading."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from evoarch.archive.records import Failed
from evoarch.evaluators.checks import asked, check_split, check_splits, output_shape, outputs
from evoarch.evaluators.classification import Classification
from evoarch.evaluators.failures import failure_of
from evoarch.evaluators.flow import DRY_RUN_SEED, Flow, Setting, derived_seed
from evoarch.evaluators.growing import Grown, grown_of
from evoarch.evaluators.language import NextToken
from evoarch.evaluators.latency import Latency, Timer
from evoarch.evaluators.metrics.base import Metric
from evoarch.evaluators.metrics.registry import joined
from evoarch.evaluators.params import carried
from evoarch.evaluators.regression import Regression
from evoarch.evaluators.replies import DryRunPassed, sound_of
from evoarch.evaluators.segmentation import Segmentation
from evoarch.evaluators.segments import Segment
from evoarch.evaluators.signature import Signature
from evoarch.evaluators.signatures import Signatures
from evoarch.evaluators.task import Evaluated, GeneratedTask, Recipe, Split, Splits, SupervisedTask
from evoarch.evaluators.trace import Traced
from evoarch.evaluators.tracer import BatchTracer
from evoarch.evaluators.zero_cost import EXAMPLES, SIGNED, ZeroCost, scores_of
from evoarch.sandbox.description import Description
from evoarch.sandbox.job import InteractiveRunner, Job, Runner
from evoarch.sandbox.limits import Limits
from evoarch.sandbox.outcome import Array, ChildOutcome, Finished

__all__ = ["DRY_RUN_SEED", "DryRunPassed", "Evaluator", "derived_seed", "failure_of"]


FRESH = 500
"""Fresh examples of a campaign; a part of them is mixed into each second prediction."""


ExampleGrading = Classification | Regression | NextToken | Segmentation

GRADINGS: Mapping[str, Callable[..., ExampleGrading]] = {
    "cross_entropy": Classification,
    "mean_squared_error": Regression,
    "next_token": NextToken,
    "pixel_cross_entropy": Segmentation,
    "masked_squared_error": Regression,
}
"""What grades the predictions of a task, by its loss."""


def grading_of(
    task: SupervisedTask, splits: Splits, metrics: Sequence[Metric] = (), fresh: Split | None = None
) -> ExampleGrading:
    """What grades on these splits, by the task's loss; `metrics` are measured beside the task's own. `fresh`:
    as evaluators.examples.SplitGrading says.
    """
    return GRADINGS[task.loss](splits, outputs(task), joined(task, metrics), fresh)


class Evaluator:
    """Evaluates genomes on one task with one recipe. Never raises for what a genome does.

    `limits` hold for each child. `campaign_seed` draws the split and, with a genome's source digest and the
    number of the repeat, all randomness of an evaluation. `ceiling`: the error above which a candidate fails
    its constraint (None: the task's own). `kwargs` are fixed arguments of the entry. `metrics` are measured
    beside the error, the parameters and what the task brings itself. `exempt`: the data that a source may
    hold for nothing, beyond the free allowance. `fresh_seed`: draws the fresh examples of a task that makes
    its examples by rule (None: there are none).

    Raises TaskError for splits that do not hold.
    """

    def __init__(
        self,
        task: SupervisedTask,
        recipe: Recipe,
        runner: Runner,
        *,
        limits: Limits | None = None,
        campaign_seed: int = 0,
        ceiling: float | None = None,
        entry: str = "Model",
        kwargs: Mapping[str, object] | None = None,
        metrics: Sequence[Metric] = (),
        exempt: Description | None = None,
        fresh_seed: int | None = None,
    ) -> None:
        splits = check_splits(task, asked(task, "splits", lambda: task.splits(campaign_seed)))
        for array in (splits.train.inputs, splits.train.targets, splits.validation.inputs):
            # The runner hands arrays that nobody can write over once, and shares them among all children.
            array.setflags(write=False)
        options = {
            "entry": entry,
            "offers": dict(task.offers),
            "kwargs": dict(kwargs or {}),
            "loss": task.loss,
        }
        self._signatures = Signatures()
        fresh = None
        if fresh_seed is not None and isinstance(task, GeneratedTask):
            made = asked(task, "fresh", lambda: task.fresh(FRESH, fresh_seed))
            fresh = check_split(task, made, "fresh examples")
        self.grading, self._outputs = grading_of(task, splits, metrics, fresh), output_shape(task)
        self._shown: Mapping[str, Array] = {
            "inputs": splits.train.inputs[:EXAMPLES],
            "targets": splits.train.targets[:EXAMPLES],
        }
        self._setting = Setting(
            task=task.name,
            recipe=recipe,
            runner=runner,
            limits=limits or Limits(),
            campaign_seed=campaign_seed,
            ceiling=task.ceiling if ceiling is None else ceiling,
            options=options,
            exempt=exempt,
        )

    @property
    def options(self) -> Mapping[str, object]:
        """What every child of this evaluator is told: entry, offers, kwargs, loss."""
        return self._setting.options

    async def dry_run(self, source: str) -> DryRunPassed | ChildOutcome:
        """A few examples forward and backward. A genome that can't be trained comes back as what it did."""
        of = self._setting
        job = Job("dry_run", source, options=of.options, seed=DRY_RUN_SEED, limits=of.limits)
        outcome = await of.runner.run(job)
        if not isinstance(outcome, Finished):
            return outcome
        passed = sound_of(outcome, of.source_params(source))
        self._signatures.keep(source, passed.signature)
        return passed

    async def traces(self, sources: Sequence[str]) -> Traced:
        """As evaluators.trace.Tracer says."""
        of = self._setting
        return await BatchTracer(of.runner, of.options, of.limits).traces(sources)

    @property
    def steps(self) -> int:
        return self._setting.recipe.steps

    async def evaluate(self, source: str, *, digest: str, repeat: int) -> Evaluated:
        """Train and score once. `digest` is the genome's source digest; `repeat` counts from 0."""
        whole = Segment(0, self.steps)
        return await self.evaluate_segment(source, digest=digest, repeat=repeat, segment=whole)

    async def evaluate_segment(self, source: str, *, digest: str, repeat: int, segment: Segment) -> Evaluated:
        """As evaluators.segments.ResumableEvaluator says."""
        signature = await self._signatures.of(source, self._setting)
        if not isinstance(signature, Signature):
            return Evaluated(
                failure_of(signature, "train"), signature.usage.seconds, signature.usage.cpu_seconds
            )
        return await Flow(self._setting, self.grading, source, digest, repeat, segment, signature).run()

    async def grow(self, source: str, parent: str, weights: Mapping[str, Array]) -> Grown:
        """As evaluators.growing.Growing says."""
        of, signature = self._setting, await self._signatures.of(source, self._setting)
        if not isinstance(signature, Signature):
            return Grown(inexact=failure_of(signature, "dry_run").reason)
        arrays = {f"inherit/{name}": array for name, array in carried(weights).items()}
        job = Job(
            "grow",
            source,
            arrays=arrays,
            options={**of.options, "parent": parent},
            seed=DRY_RUN_SEED,
            limits=of.limits,
        )
        outcome = await of.runner.run(job)
        if not isinstance(outcome, Finished):
            return Grown(inexact=failure_of(outcome, "grow").reason)
        return grown_of(outcome, signature)

    async def latency(self, source: str, reference: str) -> Latency | Failed:
        """As evaluators.latency.Timing says."""
        of = self._setting
        if not isinstance(of.runner, InteractiveRunner):
            raise TypeError("latency: expected a runner whose children may be talked with")
        shape, disagree = self._shown["inputs"].shape[1:], self.grading.disagree
        timer = Timer(of.runner, of.options, shape, self._outputs, of.limits, disagree)
        return await timer.compare(source, reference)

    async def zero_cost(self, source: str, *, digest: str, scores: tuple[str, ...]) -> ZeroCost:
        """As evaluators.zero_cost.ZeroCostScorer says; of the model as its first training begins."""
        of, examples = self._setting, len(self._shown["targets"])
        options = {**of.options, "scores": list(scores), "signed": min(SIGNED, examples)}
        seed = derived_seed(of.campaign_seed, digest, 0, "train")
        outcome = await of.runner.run(
            Job("zero_cost", source, arrays=self._shown, options=options, seed=seed, limits=of.limits)
        )
        if isinstance(outcome, Finished):
            return scores_of(outcome, scores, examples)
        return ZeroCost({}, outcome.usage.cpu_seconds, failure_of(outcome, "zero-cost").reason)
