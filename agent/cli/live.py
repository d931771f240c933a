"""The live view of a run. Plain lines where the output is no terminal."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable

import click
from rich.columns import Columns
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.text import Text

from evoarch.agent.analysis.sections import front, operators
from evoarch.agent.analysis.status import Status, read_status
from evoarch.agent.cli.views import clock, section_table
from evoarch.agent.search.components import Ending
from evoarch.agent.search.session import Session

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
    start = read_status(session.store, session.config, live=True).evaluations
    last_line = 0.0

    def pace(status: Status) -> tuple[float, float | None]:
        minutes = (time.monotonic() - began) / 60
        rate = (status.evaluations - start) / minutes if minutes else 0.0
        left = (status.budget - status.evaluations) / rate * 60 if rate else None
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
            view.update(picture(status, *pace(status)))
            await asyncio.wait({task}, timeout=REFRESH)


def plain(status: Status, rate: float, left: float | None) -> str:
    """One line of progress for logs."""
    best = status.best
    return (
        f"{status.evaluations}/{status.budget} evaluated, {status.proposals} proposed, "
        f"{status.rejected} rejected, {status.duplicates} duplicates, {status.failed} failed, "
        f"front {len(status.front)}, "
        + (f"best #{best.id} error {best.error:.4f} params {best.params:,.0f}, " if best else "")
        + f"{rate:.1f}/min, left {clock(left)}"
    )


def picture(status: Status, rate: float, left: float | None) -> RenderableType:
    """The live view: progress, rates, best, front, operators' yield, tokens, time left."""
    bar = Progress(
        TextColumn("{task.description}", style="bold", markup=False),
        BarColumn(40),
        MofNCompleteColumn(),
        expand=False,
    )
    bar.add_task(status.name, total=status.budget, completed=status.evaluations)
    tokens = status.tokens
    line = Text(
        f"{rate:.1f} children/min · left {clock(left)} · {clock(status.elapsed_s)} gone · "
        f"tokens {tokens['prompt'] + tokens['completion']:,} · isolation {status.level}",
        style="bold red" if status.level == "none" else "",
    )
    return Group(
        bar, line, Columns([section_table(front(status)), section_table(operators(status))], padding=(0, 4))
    )
