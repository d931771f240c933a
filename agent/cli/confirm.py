"""confirm: the only command that opens the sealed tests."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from evoarch.agent.cli.common import (
    folder_argument,
    jobs_option,
    json_option,
    print_json,
    tell,
    unsafe_option,
)
from evoarch.agent.cli.trust import agree, trust_option

if TYPE_CHECKING:
    from evoarch.agent.confirm.run import Confirmed


@click.command()
@folder_argument
@click.option(
    "--top", default=3, show_default=True, type=click.IntRange(min=0), help="Elites, the best first."
)
@click.option("--candidate", "ids", multiple=True, type=int, help="Confirm this one; may be given again.")
@click.option("--seeds", default=10, show_default=True, type=click.IntRange(min=1), help="Trainings of each.")
@click.option("--recipe", help="How to train.  [default: the task's full recipe, else the campaign's]")
@jobs_option
@click.option("--force", is_flag=True, help="Open a test that was opened before; it is recorded and shown.")
@click.option("--show", is_flag=True, help="Train and open nothing; show what was found.")
@unsafe_option
@trust_option
@json_option
def confirm(
    folder: Path,
    top: int,
    ids: tuple[int, ...],
    seeds: int,
    recipe: str | None,
    jobs: int | None,
    force: bool,
    show: bool,
    unsafe: bool,
    trust: bool,
    as_json: bool,
) -> None:
    """Retrain elites and baselines from scratch, rank them where no search looked, and test them once.

    Every candidate gets the same learning rates, then --seeds trainings at its best one; the ranking is by
    the error on the selection split. Then the sealed test is opened, once for each, and the opening
    recorded. Trainings run where the campaign's do, on this machine or on its pool. Latency is measured on
    this machine, as a ratio to the first baseline's or that of constraints.reference. Killed, the same
    command goes on. The clocks of a training are as much longer than the campaign's as its recipe has more
    steps.

    \b
    Examples:
      evoarch confirm demo --top 3 --seeds 10
      evoarch confirm demo --candidate 41 --show --json
    """
    from evoarch.agent.cli.interrupt import until_stopped
    from evoarch.agent.config.recorded import settings_of
    from evoarch.agent.config.trust import code_of
    from evoarch.agent.confirm.session import Choice, confirm_campaign, confirmation_recipe, show_campaign

    settings = settings_of(folder)
    tell(settings.notes)
    agree(folder, code_of(settings.config, folder), trust=trust)
    name, choice = confirmation_recipe(folder, recipe), Choice(top, ids)
    if show:
        rows = show_campaign(folder, choice, name)
    else:
        work = confirm_campaign(
            folder, choice, name, seeds=seeds, jobs=jobs, force=force, unsafe=unsafe, say=_say
        )
        rows = until_stopped(work)
    if as_json:
        print_json("confirm", [_json(row) for row in rows])
    else:
        _print(rows, name)


SPARE = ("FLOPs", "latency", "rate", "of one seed", "seeds", "opened")
"""Columns that a narrow terminal does without, in this order."""


def _say(line: str) -> None:
    click.echo(line, err=True)


def _json(row: Confirmed) -> dict[str, object]:
    kept = {key: value for key, value in asdict(row).items() if key != "candidate"}
    return {"id": row.candidate.id, "name": row.candidate.name, "doubt": row.doubt, **kept}


def _print(rows: list[Confirmed], recipe: str) -> None:
    from evoarch.agent.cli.output import console, table

    tests = list(dict.fromkeys(name for row in rows for name in row.tests))
    # The one of most examples: its intervals are the narrowest.
    telling = min(tests, key=lambda test: sum(_width(row, test) for row in rows), default="")
    columns = ["id", "params", "FLOPs", "latency", "seeds", "rate", "selection error", "of one seed"]
    columns += [*[f"{name} test" for name in tests], f"{telling}: against the best baseline", "opened"]
    body: list[list[object]] = []
    for row in rows:
        label = f"#{row.candidate.id}" + (f" {row.candidate.name}" if row.baseline else "")
        if row.selection is None:
            body.append([label, *[""] * 7, *["" for _ in tests], "", _opened(row)])
            continue
        body.append(
            [
                label,
                f"{row.params:,}",
                "" if row.flops is None else f"{row.flops:,.0f}",
                "" if row.latency is None else f"{row.latency.ratio:.2f} x",
                row.seeds,
                f"{row.rate:g}",
                f"{100 * row.selection:.2f}%",
                "{:.2f} to {:.2f}".format(*(100 * error for error in row.spread or ())),
                *[str(row.tests.get(name, "")) for name in tests],
                _verdict(row, telling),
                _opened(row),
            ]
        )
    console().print(table(f"recipe {recipe}, best first by the selection split", columns, body, SPARE))
    for row in rows:
        for line in filter(None, (row.reason, row.doubt)):  # too long for a cell
            click.echo(f"#{row.candidate.id}: {line}")
    if tests:
        console().print(
            "Intervals at 95% over training seeds and examples. Of those that one command confirmed, the "
            "ranking was made before their tests were opened: the first row is the claim, the others stood "
            "beside it."
        )


def _width(row: Confirmed, test: str) -> float:
    found = row.tests.get(test)
    return found.high - found.low if found else 0.0


def _opened(row: Confirmed) -> str:
    return f"{row.openings} x" if row.openings else ""


def _verdict(row: Confirmed, test: str) -> str:
    over = row.over.get(test)
    if over is None:
        return "the best baseline" if row.baseline and row.tests else ""
    word = "better" if over.high < 0 else "worse" if over.low > 0 else "within the noise"
    return f"{word}: {over}"
