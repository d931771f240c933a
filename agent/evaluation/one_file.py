"""One model file, measured outside any campaign, or as a campaign would."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import PackageNotFoundError
from pathlib import Path

from evoarch.agent.base.errors import UserError
from evoarch.agent.config.load import Config
from evoarch.agent.config.measuring import EvaluationTable, RecipeTable, SandboxTable
from evoarch.agent.config.tables import CampaignTable, OperatorTable
from evoarch.agent.evaluation.bench import Bench, open_bench, open_timing, plan_bench
from evoarch.agent.evaluation.constraints import cumulated, static_metrics
from evoarch.agent.evaluation.vetting import findings_in, in_one_line, read_source
from evoarch.archive.records import Failed, Outcome, Scored
from evoarch.evaluators.failures import failure_of
from evoarch.evaluators.latency import Latency, Timing
from evoarch.evaluators.metrics.registry import load_metrics
from evoarch.evaluators.replies import DryRunPassed
from evoarch.evaluators.task import SupervisedTask
from evoarch.evaluators.tasks import from_file, load_task
from evoarch.sandbox.environment import environment_of
from evoarch.sandbox.genome import source_digest
from evoarch.sandbox.limits import Level
from evoarch.sandbox.outcome import Finding

TimingOpener = Callable[..., AbstractAsyncContextManager[Timing | None]]
"""What is called as evaluation.bench.open_timing."""


@dataclass(frozen=True)
class FileResult:
    """What `evaluate` found about one file. `seconds`: wall clock; `level`: the isolation that it ran under,
    None where it was not run.
    """

    outcome: Outcome
    seconds: float
    level: Level | None
    findings: tuple[Finding, ...]
    latency: Latency | None = None


def plain_settings(task: str, recipe: str, seed: int, imports: Sequence[str] = ()) -> Config:
    """The settings of a file that belongs to no campaign: defaults, but for these. A file may bring a RECIPE
    where the common loop trains the task. Raises TaskError for an unknown task, UserError for an import that
    nothing installed provides.
    """
    try:
        environment_of("").providers(imports)
    except PackageNotFoundError as error:
        raise UserError(f"--import: {error}; expected an installed distribution") from None
    found = load_task(task)
    common = isinstance(found, SupervisedTask) and not getattr(found, "command", ())
    return Config(
        campaign=CampaignTable(name="evaluate", task=task, seed=seed),
        evaluation=EvaluationTable(recipe=recipe, recipe_search=common, workers=1),
        sandbox=SandboxTable(imports=tuple(imports)),
        operators=(OperatorTable(name="random"),),
    )


def needs_campaign(config: Config) -> bool:
    """Whether `plain_settings` may not do for a file of this campaign, which has a task from a file of its
    own, another environment, device, training program, [recipe] or bound on the error, or larger limits. The
    wall clock alone is none of them: CPU seconds bound a training, and the clock leaves room where others
    compute too.
    """
    plain, evaluation, sandbox = EvaluationTable(), config.evaluation, config.sandbox
    return bool(
        sandbox.python
        or sandbox.preload
        or config.trainer.command
        or config.recipe != RecipeTable()
        or evaluation.device != plain.device
        or config.constraints.error is not None
        or from_file(config.campaign.task)
        or any(getattr(evaluation, key) > getattr(plain, key) for key in ("cpu_seconds", "memory", "output"))
    )


async def evaluate_file(
    path: Path,
    config: Config,
    folder: Path,
    *,
    enforce: bool,
    unsafe: bool,
    reference: Path | None = None,
    open_timing: TimingOpener = open_timing,
) -> FileResult:
    """One model file through vet, dry run, train, predict and score, as the campaign `config` of `folder`
    measures, on this machine; nothing is written there.

    With `enforce`, a file with findings is not run. `reference`: a model file; latency is then measured too,
    as a ratio to that one's, by what `open_timing` opens. Raises UserError and TaskError, each one line.
    """
    plan = plan_bench(config, folder)
    plan = replace(plan, metrics=load_metrics(config.evaluation.metrics, folder))
    source = read_source(path)
    against = read_source(reference) if reference else ""
    imports, recipe = config.sandbox.imports, config.evaluation.recipe_search
    findings = tuple(findings_in(path, plan.task.offers, imports, recipe=recipe))
    if findings and enforce:
        return FileResult(Failed("vet", in_one_line(findings)), 0.0, None, findings)
    # A folder of its own: the campaign's run may train there meanwhile.
    with tempfile.TemporaryDirectory(prefix="evoarch-evaluate-") as runs:
        async with open_bench(plan, runs=Path(runs), unsafe=unsafe) as bench:
            timing = partial(open_timing, unsafe=unsafe)
            outcome, seconds, latency = await _measured(bench, source, against, timing)
            return FileResult(outcome, seconds, bench.level, findings, latency)


async def _measured(
    bench: Bench, source: str, reference: str, open_timing: TimingOpener
) -> tuple[Outcome, float, Latency | None]:
    result = await bench.evaluator.dry_run(source)
    if not isinstance(result, DryRunPassed):
        return failure_of(result), result.usage.seconds, None
    latency: Latency | None = None
    if reference:
        async with open_timing(bench) as timing:
            if timing is None:
                raise UserError(
                    f"--reference: expected a task of examples on this machine's cores, got "
                    f"{bench.plan.task.name} on {bench.plan.config.evaluation.device}"
                )
            timed = await timing.latency(source, reference)
        if isinstance(timed, Failed):
            return timed, 0.0, None
        latency = timed
    evaluated = await bench.evaluator.evaluate(source, digest=source_digest(source), repeat=0)
    outcome = evaluated.outcome
    if isinstance(outcome, Scored):
        static = static_metrics(result, latency.ratio if latency else None)
        outcome = Scored({**outcome.metrics, **static, **cumulated(evaluated, ())})
    return outcome, evaluated.seconds, latency
