"""The live view of a run. Plain lines where the output is no terminal."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Sequence
from pathlib import Path

import click
from rich.columns import Columns
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.text import Text

from evoarch.agent.analysis.sections import front, operators
from evoarch.agent.analysis.status import Status, lowest_of, read_status
from evoarch.agent.analysis.under_way import last_event_in_words, phase, under_way
from evoarch.agent.base.formatting import cell, command, printable
from evoarch.agent.cli.views import clock, section_table
from evoarch.agent.config.load import Config
from evoarch.agent.search.components import Ending
from evoarch.agent.search.session import Session
from evoarch.archive.store import Store

REFRESH = 0.5
"""Seconds between two looks at the archive."""

PLAIN = 10.0
"""Seconds between two plain lines."""


async def live(session: Session, work: Awaitable[Ending]) -> Ending:
    """Awaits `work` while showing its progress on stderr. Ends it before it leaves, however it leaves."""
    task = asyncio.ensure_future(work)
    try:
        await _show(session, task)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    return task.result()


async def _show(session: Session, task: asyncio.Future[Ending]) -> None:
    screen = Console(stderr=True, markup=False, emoji=False)
    began = time.monotonic()
    start, _ = trainings(read_status(session.store, session.config, live=True))
    last_line = 0.0

    def pace(status: Status) -> tuple[float, float | None]:
        minutes = (time.monotonic() - began) / 60
        done, total = trainings(status)
        rate = (done - start) / minutes if minutes else 0.0
        children = total - done - status.repeats_due
        # A further training goes through all steps, which a child that stops early does not.
        left = children / rate * 60 + status.repeats_s if rate else None
        return rate, left

    if not screen.is_terminal:
        while not task.done():
            await asyncio.wait({task}, timeout=REFRESH)
            if time.monotonic() - last_line >= PLAIN or task.done():
                last_line = time.monotonic()
                status = read_status(session.store, session.config, live=True)
                click.echo(plain(status, *pace(status)), err=True)
        return
    with Live(console=screen, refresh_per_second=4, transient=True) as view:
        while not task.done():
            status = read_status(session.store, session.config, live=True)
            view.update(picture(status, *pace(status), moment(session.store, status)))
            await asyncio.wait({task}, timeout=REFRESH)


def opening(session: Session, folder: Path) -> list[str]:
    """What a run is about to do, for somebody who sees one for the first time."""
    trained = session.store.totals.entered_training()
    return opening_lines(session.config, trained, str(session.level), folder)


def opening_lines(config: Config, trained: int, level: str, folder: Path) -> list[str]:
    """The same from its parts. `trained`: children of earlier runs."""
    goals = " and ".join(config.selection.objectives)
    most = config.budget.evaluations
    begun = f"{trained} of at most {most} children are" if trained else f"then at most {most} children"
    seeds = ", ".join(Path(file).stem for file in config.seeds.files)
    several = f"the front: the models that no other one beats in {goals} at once"
    watched = several if len(config.selection.objectives) > 1 else f"the model of the lowest {goals}"
    return [
        f"{printable(config.campaign.name)}: looks for models of low {goals} on {config.campaign.task}",
        f"first the seeds are trained ({printable(seeds)}), {begun}; isolation level {level}",
        f"look at {watched}; error is what validation counts as wrong, from 0 (nothing) to 1",
        f"Ctrl-C stops, `{command('run', folder)}` goes on; `{command('review', folder)}` shows it live",
    ]


def progress(status: Status) -> tuple[int, int]:
    """How far the campaign is: children that came to an outcome and those that the rounds propose or, without
    rounds, children that were trained and the budget.
    """
    if status.planned:
        return sum(each.proposed for each in status.rounds), status.planned
    return status.evaluations, status.budget


def trainings(status: Status) -> tuple[int, int]:
    """What is done and what is to be done, as `progress`, with the further trainings of the front and the
    seeds.
    """
    done, total = progress(status)
    return done + status.repeats, total + status.repeats + status.repeats_due


def plain(status: Status, rate: float, left: float | None) -> str:
    """One line of progress for logs. `rate`: children a minute, as `progress` counts them."""
    done, total = progress(status)
    waiting = sum(seed.state in ("queued", "running") for seed in status.seeds)
    if waiting:
        return f"seeds {len(status.seeds) - waiting}/{len(status.seeds)} trained"
    said = f"{status.evaluations}/{status.budget} children trained"
    if status.planned:
        ends = sum(each.state == "complete" for each in status.rounds)
        said = f"round {max(1, len(status.rounds))}, {ends} complete: {done}/{total} children made, "
        said += f"{status.evaluations} trained"
    said += (
        f", {status.proposals} proposed ({status.rejected} rejected, {status.duplicates} duplicates, "
        f"{status.failed} failed), front {len(status.front)}"
    )
    if status.waiting:
        said += f", {status.waiting} wait for review"
    if lowest := lowest_of(status.front, "error"):
        size = "" if lowest.params is None else f" with {lowest.params:,.0f} parameters"
        said += f", lowest error {lowest.metrics['error']:.4f} (#{lowest.id}{size})"
    for name in status.objectives:
        if name not in ("error", "params") and (found := lowest_of(status.front, name)):
            said += f", lowest {name} {cell(found.metrics[name])} (#{found.id})"
    due = f" of about {status.repeats + status.repeats_due}" if status.repeats_due else ""
    if done >= total:
        said += f"; now the front and the seeds are trained again, {status.repeats} times so far{due}"
        return f"{said}, left {clock(status.repeats_s)}" if due else said
    also = f" with about {status.repeats_due} further trainings of the front" if due else ""
    return f"{said}, {rate:.1f}/min, left {clock(left)}{also}"


MOST_SLOTS = 8
"""Candidates in training that the live view names."""


def moment(store: Store, status: Status) -> list[str]:
    """What goes on now, a line each: the phase, who is in which slot, the last event."""
    slots = int(str(store.last_event_detail("run").get("workers", 1)))
    training = under_way(store)
    said = [phase(status)]
    if training:
        said.append(f"{len(training)} in training, {slots} slot{'s' if slots > 1 else ''}:")
        said += [f"  #{each.candidate} {each.words}" for each in training[:MOST_SLOTS]]
    if len(training) > MOST_SLOTS:
        said.append(f"  {MOST_SLOTS} of {len(training)} shown")
    if last := last_event_in_words(store):
        said.append(f"last: {last}")
    return said


def picture(status: Status, rate: float, left: float | None, now: Sequence[str] = ()) -> RenderableType:
    """The live view: progress, rates, best, front, operators' yield, tokens, time left; `now`: what goes on,
    a line each.
    """
    bar = Progress(
        TextColumn("{task.description}", style="bold", markup=False),
        BarColumn(40),
        MofNCompleteColumn(),
        expand=False,
    )
    done, total = trainings(status)
    bar.add_task(status.name, total=total, completed=done)
    tokens = status.tokens
    line = Text(
        f"{rate:.1f} trainings/min · left {clock(left)} · {clock(status.elapsed_s)} gone · "
        f"{f'{status.waiting} wait for review · ' if status.waiting else ''}"
        f"tokens {tokens['prompt'] + tokens['completion']:,} · isolation {status.level}",
        style="bold red" if status.level == "none" else "",
    )
    lines = [Text(printable(each), style="dim") for each in now]
    return Group(
        bar,
        line,
        *lines,
        Columns([section_table(front(status)), section_table(operators(status))], padding=(0, 4)),
    )
