"""Model files outside a campaign: check, evaluate."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from evoarch.agent.base.errors import UserError
from evoarch.agent.cli.common import json_option, print_json, tell, unsafe_option
from evoarch.agent.cli.trust import agree, trust_option

if TYPE_CHECKING:
    from evoarch.agent.evaluation.one_file import FileResult

file_type = click.Path(path_type=Path, exists=True, dir_okay=False)

OF_CAMPAIGN = {"task_name": "--task", "recipe": "--recipe", "seed": "--seed", "imports": "--import"}
"""Options of `evaluate` that a campaign's settings take the place of, by the name of their parameter."""


@click.command()
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=file_type)
@click.option("--task", "task_name", default="mnist1d", show_default=True)
@json_option
def check(files: tuple[Path, ...], task_name: str, as_json: bool) -> None:
    """Vet model files: every finding at once, with line, column, rule and hint. Exit code 1 if there are any.

    \b
    Example:
      evoarch check seeds/*.py
    """
    from evoarch.agent.base.formatting import printable
    from evoarch.agent.evaluation.vetting import findings_in
    from evoarch.evaluators.tasks import load_task

    task = load_task(task_name)
    found = {str(path): findings_in(path, task.offers) for path in files}
    if as_json:
        print_json(
            "check",
            [
                {
                    "file": path,
                    "line": f.line,
                    "column": f.column,
                    "rule": f.rule,
                    "message": f.message,
                    "hint": f.hint,
                }
                for path, findings in found.items()
                for f in findings
            ],
        )
    else:
        for path, findings in found.items():
            for finding in findings:
                click.echo(f"{path}:{printable(str(finding))}")
            if not findings:
                click.echo(f"{path}: fine")
    sys.exit(1 if any(found.values()) else 0)


@click.command()
@click.argument("file", type=file_type)
@click.option("--task", "task_name", default="mnist1d", show_default=True)
@click.option("--recipe", default="fast", show_default=True)
@click.option(
    "--seed", default=0, show_default=True, type=click.IntRange(min=0), help="Draws split and training."
)
@click.option(
    "--import", "imports", multiple=True, metavar="NAME", help="A module the file may import; repeatable."
)
@click.option(
    "--campaign",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Measure as this campaign does: its task, recipe, seed, imports, python, trainer, limits, device.",
)
@click.option(
    "--reference",
    type=file_type,
    metavar="FILE",
    help="Measure latency too, as a ratio to that of this model file.",
)
@click.option(
    "--vet",
    "vetting",
    type=click.Choice(["enforce", "report"]),
    help="report: print the findings and run the file all the same; the wall is the process.  "
    "[default: the campaign's, else enforce]",
)
@unsafe_option
@trust_option
@json_option
@click.pass_context
def evaluate(
    context: click.Context,
    file: Path,
    task_name: str,
    recipe: str,
    seed: int,
    imports: tuple[str, ...],
    campaign: Path | None,
    reference: Path | None,
    vetting: str | None,
    unsafe: bool,
    trust: bool,
    as_json: bool,
) -> None:
    """Put one model file through the whole pipeline: vet, dry run, train, predict, score.

    It runs on this machine, and nothing is written into the campaign.

    \b
    Examples:
      evoarch evaluate model.py --task mnist1d
      evoarch evaluate model.py --import scipy.signal --reference seeds/conv_base.py
      evoarch evaluate winner.py --campaign demo
    """
    from evoarch.agent.base.formatting import printable
    from evoarch.agent.config.recorded import settings_of
    from evoarch.agent.config.trust import code_of
    from evoarch.agent.deploy.latency import open_timing
    from evoarch.agent.evaluation.bench import on_this_machine
    from evoarch.agent.evaluation.one_file import evaluate_file, plain_settings
    from evoarch.archive.records import Failed

    if campaign:
        _refuse_beside(context, campaign)
        settings = settings_of(campaign)
        tell(settings.notes)
        agree(campaign, code_of(settings.config, campaign), trust=trust)
        config = on_this_machine(settings.config)
    else:
        config = plain_settings(task_name, recipe, seed, imports)
    result = asyncio.run(
        evaluate_file(
            file,
            config,
            campaign or Path(),
            enforce=(vetting or config.sandbox.vet) == "enforce",
            unsafe=unsafe,
            reference=reference,
            open_timing=open_timing,
        )
    )
    for finding in result.findings:
        click.echo(f"{file}:{printable(str(finding))}", err=True)
    if as_json:
        print_json("evaluate", _as_json(result))
    else:
        for line in _lines(result, reference):
            click.echo(f"{file}: {line}")
    sys.exit(1 if isinstance(result.outcome, Failed) else 0)


def _refuse_beside(context: click.Context, campaign: Path) -> None:
    """Raises UserError for an option that says what the campaign says."""
    for name, option in OF_CAMPAIGN.items():
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise UserError(f"{option}: expected none beside --campaign, which brings that of {campaign}")


def _lines(result: FileResult, reference: Path | None) -> Iterator[str]:
    """What was found, for a person."""
    from evoarch.agent.base.formatting import printable
    from evoarch.archive.records import Failed

    if isinstance(result.outcome, Failed):
        yield f"failed at {result.outcome.stage}: {printable(result.outcome.reason)}"
        return
    metrics = result.outcome.metrics
    yield (
        f"error {metrics['error']:.4f}, {metrics['params']:,.0f} parameters, "
        f"{_measures(metrics)}{result.seconds:.1f} s, isolation {result.level}"
    )
    if timed := result.latency:
        yield (
            f"latency {timed.ratio:.3f} x that of {reference} "
            f"({timed.low:.3f} to {timed.high:.3f} over {timed.runs} runs)"
        )


def _as_json(result: FileResult) -> dict[str, object]:
    from evoarch.archive.records import Failed

    failed = result.outcome if isinstance(result.outcome, Failed) else None
    metrics = {} if isinstance(result.outcome, Failed) else dict(result.outcome.metrics)
    return {
        "outcome": "failed" if failed else "scored",
        "error": metrics.get("error"),
        "params": metrics.get("params"),
        "metrics": metrics,
        "seconds": result.seconds,
        "stage": failed.stage if failed else None,
        "reason": failed.reason if failed else None,
        "fault": str(failed.fault) if failed else None,
        "level": result.level,
        "findings": [str(finding) for finding in result.findings],
    }


def _measures(metrics: Mapping[str, float]) -> str:
    """What is known of FLOPs, memory and training time, in words that go before others."""
    words = {"flops": "{:,.0f} FLOPs", "memory": "{:,.1f} MiB", "train_seconds": "{:,.1f} CPU s of training"}
    return "".join(text.format(metrics[name]) + ", " for name, text in words.items() if name in metrics)
