"""compare: arms at one budget, their runs and the page about them."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from evoarch.agent.base.errors import UserError
from evoarch.agent.cli.common import folder_argument, json_option, print_json, tell
from evoarch.agent.cli.trust import agree, trust_option

if TYPE_CHECKING:
    from evoarch.agent.compare.runs import Run

_SEEDS = re.compile("[1-9][0-9]{0,8}")


def _arms(text: str, seeds: int) -> dict[str, int]:
    """`a,b:5` with 10 seeds: a with 10, b with 5. Raises UserError."""
    arms: dict[str, int] = {}
    for part in text.split(","):
        name, colon, number = part.strip().partition(":")
        if not name or (colon and not _SEEDS.fullmatch(number)):
            raise UserError(f"--arms: expected NAME or NAME:SEEDS between commas, got {part[:80]!r}")
        arms[name] = int(number) if colon else seeds
    return arms


@click.command()
@folder_argument
@click.option("--arms", "arms_text", required=True, help="Names between commas; NAME:N for N seeds of one.")
@click.option("--seeds", default=5, show_default=True, type=click.IntRange(min=1), help="Runs of each arm.")
@click.option("--evaluations", type=click.IntRange(min=1), help="Budget of a run.  [default: the campaign's]")
@click.option("--jobs", type=click.IntRange(min=1), help="Runs at a time.  [default: one per core]")
@click.option("--report-only", is_flag=True, help="Start no run; report on those that are finished.")
@trust_option
@json_option
def compare(
    folder: Path,
    arms_text: str,
    seeds: int,
    evaluations: int | None,
    jobs: int | None,
    report_only: bool,
    trust: bool,
    as_json: bool,
) -> None:
    """Run arms of a campaign at one budget and say which differ. Resumable: the same command goes on.

    An arm is an overlay on what the campaign goes on under, built in or in DIR/arms/NAME.toml.

    \b
    Examples:
      evoarch compare demo --arms syntactic,random --seeds 5
      evoarch compare demo --arms syntactic,random,lm:3 --seeds 10 --evaluations 150
      evoarch compare demo --arms syntactic,random --report-only --json
    """
    from evoarch.agent.cli.interrupt import until_stopped
    from evoarch.agent.compare.finished import compare_finished
    from evoarch.agent.compare.page import write
    from evoarch.agent.compare.runs import FOLDER, carry_out, code_of_arms, plan
    from evoarch.agent.config.recorded import settings_for_run

    arms = _arms(arms_text, seeds)
    settings = settings_for_run(folder)
    tell(settings.notes)
    agree(folder, code_of_arms(folder, arms), trust=trust)
    runs = plan(folder, arms, evaluations or 0)
    failed: list[Run] = []
    if not report_only:
        at_once = jobs or len(os.sched_getaffinity(0))
        failed = until_stopped(carry_out(runs, at_once, lambda line: click.echo(line, err=True)))
    comparison = compare_finished(folder, arms, runs)
    written = write(comparison, folder / FOLDER, settings.config.campaign.name)
    if as_json:
        print_json("compare", comparison.as_json())
    else:
        for sentence in comparison.words:
            click.echo(f"- {sentence}")
        click.echo(f"report: {written[-1]}")
    if failed:
        raise UserError(f"{len(failed)} runs ended with an error; the same command tries them again", code=1)
