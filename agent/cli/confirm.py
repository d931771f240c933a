"""confirm: the only command that opens the sealed tests."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import AsyncExitStack
from dataclasses import asdict
from pathlib import Path

import click

from evoarch.agent.base.errors import UserError
from evoarch.agent.cli.common import INTERRUPTED, folder_argument, json_option, print_json
from evoarch.agent.cli.output import console, reading, table
from evoarch.agent.config.data_fingerprint import fingerprint, refuse_changed
from evoarch.agent.config.load import Config, load
from evoarch.agent.confirm.limits import limits_by_name, with_time
from evoarch.agent.confirm.record import ConfirmationRecord
from evoarch.agent.confirm.run import Confirmation, Confirmed, choose, shown
from evoarch.agent.confirm.timing import reference, time_all
from evoarch.agent.evaluation.bench import choose_recipe, searched
from evoarch.agent.evaluation.devices import devices_of
from evoarch.agent.evaluation.external_trainer import whole, with_trainer
from evoarch.agent.evaluation.walls import choose_level, open_walls
from evoarch.archive.lock import RunLock
from evoarch.archive.store import open_archive
from evoarch.evaluators.latency import Timing
from evoarch.evaluators.registry import measuring
from evoarch.evaluators.sealed import confirming, refuse_unsealed
from evoarch.evaluators.tasks import load_task
from evoarch.sandbox.job import InteractiveRunner
from evoarch.sandbox.level import detect


@click.command()
@folder_argument
@click.option(
    "--top", default=3, show_default=True, type=click.IntRange(min=0), help="Elites, the best first."
)
@click.option("--candidate", "ids", multiple=True, type=int, help="Confirm this one; may be given again.")
@click.option("--seeds", default=10, show_default=True, type=click.IntRange(min=1), help="Trainings of each.")
@click.option("--recipe", help="How to train.  [default: the task's full recipe, else the campaign's]")
@click.option("--jobs", type=click.IntRange(min=1), help="Trainings at a time.  [default: one per core]")
@click.option("--force", is_flag=True, help="Open a test that was opened before; it is recorded and shown.")
@click.option("--show", is_flag=True, help="Train and open nothing; show what was found.")
@click.option("--unsafe", is_flag=True, help="Run where the system has no isolation to offer.")
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
    as_json: bool,
) -> None:
    """Retrain elites and baselines from scratch, rank them where no search looked, and test them once.

    Every candidate gets the same learning rates, then --seeds trainings at its best one; the ranking is by
    the error on the selection split. Then the sealed test is opened, once for each, and the opening
    recorded. Latency is a ratio to the first baseline's, or that of constraints.reference. Killed, the same
    command goes on. The clocks of a training are as much longer than the campaign's as its recipe has more
    steps.

    \b
    Examples:
      evoarch confirm demo --top 3 --seeds 10
      evoarch confirm demo --candidate 41 --show --json
    """
    config = load(folder)
    task = load_task(config.campaign.task, folder)
    refuse_unsealed(task)
    name = recipe or ("full" if "full" in task.recipes else config.evaluation.recipe)
    chosen = choose_recipe(task, name)
    if show:
        store, _ = reading(folder)
        rows = shown(store, ConfirmationRecord(store, name), choose(store, top, ids))
    else:
        rows = asyncio.run(
            _confirm(folder, config, top, ids, seeds, chosen.name, jobs, force=force, unsafe=unsafe)
        )
    if as_json:
        print_json([_json(row) for row in rows])
    else:
        _print(rows, name)


async def _confirm(
    folder: Path,
    config: Config,
    top: int,
    ids: tuple[int, ...],
    seeds: int,
    name: str,
    jobs: int | None,
    *,
    force: bool,
    unsafe: bool,
) -> list[Confirmed]:
    loop, main = asyncio.get_running_loop(), asyncio.current_task()
    assert main is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, main.cancel)
    task = load_task(config.campaign.task, folder)
    recipe = choose_recipe(task, name)
    config = with_time(config, choose_recipe(task, config.evaluation.recipe), recipe)
    if config.evaluation.recipe_search:
        recipe = searched(task, recipe)
    recipe = whole(recipe, config, task)
    level = choose_level(detect(), config.sandbox.level, unsafe=unsafe)
    devices = devices_of(config.evaluation)
    try:
        with RunLock(folder), open_archive(folder, write=True) as store:
            data = fingerprint(config.campaign.task, task, config.campaign.seed)
            refuse_changed(store, config.campaign.task, data)
            candidates = choose(store, top, ids)
            record = ConfirmationRecord(store, name)
            walls = await open_walls(level, task, config.sandbox, devices)
            async with AsyncExitStack() as stack:
                stack.push_async_callback(walls.close)
                confirmer = confirming(
                    task,
                    recipe,
                    with_trainer(stack, walls, config, task, folder, unsafe=unsafe),
                    limits=config.evaluation.limits(),
                    campaign_seed=config.campaign.seed,
                    test_seed=record.test_seed(),
                )
                confirmation = Confirmation(
                    store,
                    record,
                    confirmer,
                    name,
                    recipe.rate,
                    seeds,
                    jobs or len(devices) or len(os.sched_getaffinity(0)),
                    lambda line: click.echo(line, err=True),
                    limits_by_name(config, task),
                )
                limits, seed = config.evaluation.limits(), config.campaign.seed
                timing = measuring(task, recipe, walls, limits=limits, campaign_seed=seed)
                against = reference(config, candidates)
                # On the cores of this machine alone: a ratio on a device would be another one.
                if (
                    against
                    and not devices
                    and isinstance(timing, Timing)
                    and isinstance(walls, InteractiveRunner)
                ):
                    await time_all(store, timing, against, candidates, confirmation.say)
                return await confirmation.run(candidates, force=force)
    except asyncio.CancelledError:
        raise UserError("stopped; the same command goes on from here", code=INTERRUPTED) from None


def _json(row: Confirmed) -> dict[str, object]:
    kept = {key: value for key, value in asdict(row).items() if key != "candidate"}
    return {"id": row.candidate.id, "name": row.candidate.name, **kept}


def _print(rows: list[Confirmed], recipe: str) -> None:
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
    console().print(table(f"recipe {recipe}, best first by the selection split", columns, body))
    for row in rows:
        if row.reason:  # too long for a cell
            click.echo(f"#{row.candidate.id}: {row.reason}")
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
