"""compare: arms at one budget, their runs and the page about them."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import click

from agent.cli.common import folder_argument
from agent.compare.runs import carry_out, plan
from agent.errors import UserError


def _arms(text: str, seeds: int) -> dict[str, int]:
    """`a,b:5` with 10 seeds: a with 10, b with 5. Raises UserError."""
    arms: dict[str, int] = {}
    for part in text.split(","):
        name, colon, number = part.strip().partition(":")
        if not name or (colon and not (number.isdecimal() and int(number) > 0)):
            raise UserError(f"--arms: expected NAME or NAME:SEEDS between commas, got {part!r}")
        arms[name] = int(number) if colon else seeds
    return arms


@click.command()
@folder_argument
@click.option("--arms", "arms_text", required=True, help="Names between commas; NAME:N for N seeds of one.")
@click.option("--seeds", default=5, show_default=True, type=click.IntRange(min=1), help="Runs of each arm.")
@click.option(
    "--evaluations", type=click.IntRange(min=1), help="The budget of a run.  [default: the campaign's]"
)
@click.option("--jobs", type=click.IntRange(min=1), help="Runs at a time.  [default: one per core]")
def compare(folder: Path, arms_text: str, seeds: int, evaluations: int | None, jobs: int | None) -> None:
    """Run arms of a campaign at one budget.

    \b
    Examples:
      evoarch compare demo --arms syntactic,random --seeds 5
      evoarch compare demo --arms syntactic,random,lm:3 --seeds 10 --evaluations 150
    """
    runs = plan(folder, _arms(arms_text, seeds), evaluations or 0)
    failed = asyncio.run(
        carry_out(runs, jobs or len(os.sched_getaffinity(0)), lambda line: click.echo(line, err=True))
    )
    if failed:
        raise UserError(
            f"{len(failed)} of {len(runs)} runs ended with an error; the same command tries them again",
            code=1,
        )
