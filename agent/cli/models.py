"""Model files outside a campaign: check, evaluate."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from pathlib import Path

import click

from evoarch.agent.base.errors import UserError
from evoarch.agent.base.formatting import printable
from evoarch.agent.cli.common import json_option, print_json
from evoarch.agent.config.load import FILE, load
from evoarch.agent.evaluation.one_file import evaluate_file
from evoarch.agent.seeding.add import opening_of
from evoarch.agent.seeding.record import load_record
from evoarch.archive.records import Failed
from evoarch.evaluators.tasks import load_task
from evoarch.sandbox.outcome import Finding
from evoarch.sandbox.vet import vet

file_type = click.Path(path_type=Path, exists=True, dir_okay=False)


def read_source(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path}: expected UTF-8 text, got byte {error.object[error.start]:#x}", code=1
        ) from None


def findings_in(path: Path, offers: Mapping[str, object]) -> list[Finding]:
    """The findings about a model file. A seed that was inlined is the user's own code: only what it imports
    and its entry are looked at, with what its campaign allows."""
    source = read_source(path)
    record = load_record(path)
    if record is None:
        return vet(source, entry="Model", offers=offers)
    folder = path.resolve().parent.parent
    imports = load(folder).sandbox.imports if (folder / FILE).is_file() else ()
    found = vet(source, entry="Model", offers=offers, imports=imports)
    return opening_of(record, source).findings(source, found)


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
    task = load_task(task_name)
    found = {str(path): findings_in(path, task.offers) for path in files}
    if as_json:
        print_json(
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
            ]
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
    "--reference",
    type=file_type,
    metavar="FILE",
    help="Measure latency too, as a ratio to that of this model file.",
)
@click.option(
    "--vet",
    "vetting",
    type=click.Choice(["enforce", "report"]),
    default="enforce",
    show_default=True,
    help="report: print the findings and run the file all the same; the wall is the process.",
)
@click.option(
    "--unsafe", is_flag=True, help="Run where the system has no isolation to offer. Trusted code only."
)
@json_option
def evaluate(
    file: Path,
    task_name: str,
    recipe: str,
    seed: int,
    reference: Path | None,
    vetting: str,
    unsafe: bool,
    as_json: bool,
) -> None:
    """Put one model file through the whole pipeline: vet, dry run, train, predict, score.

    \b
    Examples:
      evoarch evaluate model.py --task mnist1d
      evoarch evaluate model.py --reference seeds/conv_base.py
    """
    source = read_source(file)
    result = asyncio.run(
        evaluate_file(
            source,
            load_task(task_name),
            recipe=recipe,
            seed=seed,
            enforce=vetting == "enforce",
            unsafe=unsafe,
            reference=read_source(reference) if reference else "",
        )
    )
    outcome = result.outcome
    for finding in result.findings:
        click.echo(f"{file}:{printable(str(finding))}", err=True)
    failed = outcome if isinstance(outcome, Failed) else None
    metrics = {} if isinstance(outcome, Failed) else dict(outcome.metrics)
    if as_json:
        print_json(
            {
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
        )
    elif failed:
        click.echo(f"{file}: failed at {failed.stage}: {printable(failed.reason)}")
    else:
        click.echo(
            f"{file}: error {metrics['error']:.4f}, {metrics['params']:,.0f} parameters, "
            f"{_measures(metrics)}{result.seconds:.1f} s, isolation {result.level}"
        )
        if timed := result.latency:
            click.echo(
                f"{file}: latency {timed.ratio:.3f} x that of {reference} "
                f"({timed.low:.3f} to {timed.high:.3f} over {timed.runs} runs)"
            )
    sys.exit(1 if failed else 0)


def _measures(metrics: Mapping[str, float]) -> str:
    """What is known of FLOPs, memory and training time, in words that go before others."""
    words = {"flops": "{:,.0f} FLOPs", "memory": "{:,.1f} MiB", "train_seconds": "{:,.1f} CPU s of training"}
    return "".join(text.format(metrics[name]) + ", " for name, text in words.items() if name in metrics)
