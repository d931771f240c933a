"""One model file, measured outside any campaign."""

from __future__ import annotations

from dataclasses import dataclass

from evoarch.agent.base.errors import UserError
from evoarch.agent.evaluation.bench import choose_recipe, searched
from evoarch.agent.evaluation.constraints import cumulated, static_metrics
from evoarch.agent.evaluation.walls import choose_level, open_walls
from evoarch.archive.records import Failed, Outcome, Scored
from evoarch.evaluators.failures import failure_of
from evoarch.evaluators.latency import Latency, Timing
from evoarch.evaluators.registry import measuring
from evoarch.evaluators.replies import DryRunPassed
from evoarch.evaluators.task import SupervisedTask, Task
from evoarch.sandbox.genome import source_digest
from evoarch.sandbox.level import detect
from evoarch.sandbox.limits import Level, Limits
from evoarch.sandbox.outcome import Finding
from evoarch.sandbox.vet import vet


@dataclass(frozen=True)
class FileResult:
    """What `evaluate` found about one file."""

    outcome: Outcome
    seconds: float
    level: Level
    findings: tuple[Finding, ...]
    latency: Latency | None = None


async def evaluate_file(
    source: str,
    task: Task,
    *,
    recipe: str,
    seed: int,
    enforce: bool,
    unsafe: bool,
    reference: str = "",
) -> FileResult:
    """One model file through vet, dry run, train, predict and score, outside any campaign; with its latency
    where there is the source of a `reference`.
    """
    findings = tuple(vet(source, entry="Model", offers=task.offers))
    chosen = choose_recipe(task, recipe)
    if isinstance(task, SupervisedTask):
        chosen = searched(task, chosen)
    level = choose_level(detect(), "landlock", unsafe=unsafe)
    if findings and enforce:
        failed = Failed("vet", "; ".join(str(finding) for finding in findings))
        return FileResult(failed, 0.0, level, findings)
    runner = await open_walls(level, task)
    try:
        evaluator = measuring(task, chosen, runner, limits=Limits(), campaign_seed=seed)
        result = await evaluator.dry_run(source)
        if not isinstance(result, DryRunPassed):
            return FileResult(failure_of(result), result.usage.seconds, level, findings)
        latency = None
        if reference:
            if not isinstance(evaluator, Timing):
                raise UserError(f"--reference: expected a task of examples, got {task.name}")
            timed = await evaluator.latency(source, reference)
            if isinstance(timed, Failed):
                return FileResult(timed, 0.0, level, findings)
            latency = timed
        evaluated = await evaluator.evaluate(source, digest=source_digest(source), repeat=0)
        outcome = evaluated.outcome
        if isinstance(outcome, Scored):
            static = static_metrics(result, latency.ratio if latency else None)
            outcome = Scored({**outcome.metrics, **static, **cumulated(evaluated, ())})
        return FileResult(outcome, evaluated.seconds, level, findings, latency)
    finally:
        await runner.close()
