"""The live view of a run and its summary. Plain lines where the output is no terminal."""

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

from evoarch.agent.analysis.early_stopping import correlation_in_words
from evoarch.agent.analysis.early_stopping import in_words as rung_in_words
from evoarch.agent.analysis.status import FrontPoint, Status, read_status
from evoarch.agent.base.formatting import printable
from evoarch.agent.cli.common import cell, table
from evoarch.agent.search.components import Ending
from evoarch.agent.search.session import Session
from evoarch.agent.statistics.intervals import in_words

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


def clock(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}:{rest:02d}"


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
    return Group(bar, line, Columns([front_table(status), operator_table(status)], padding=(0, 4)))


def _row(point: FrontPoint) -> list[object]:
    size = int(point.params or 0) or None
    return [point.id, point.name, size, point.error, in_words(point.interval), point.seeds]


def round_table(status: Status) -> RenderableType:
    """What each round of EvoPrompting brought, and what its soft prompt did to the held-out loss."""
    heads = [
        "round",
        "state",
        "parents",
        "proposed",
        "parsed",
        "valid",
        "novel",
        "copied",
        "scored",
    ]
    rows: list[list[object]] = []
    for each in status.rounds:
        shares = (f"{share:.0%}" if share is not None else "-" for share in each.shares())
        counts = [each.number + 1, each.state, each.parents, each.proposed, *shares, each.scored]
        loss = "-" if each.before is None else f"{each.before:.3f} -> {each.after:.3f}"
        rows.append([*counts, each.trained_on, loss])
    return table("rounds", [*heads, "trained on", "held-out loss"], rows)


def front_table(status: Status) -> RenderableType:
    columns = ["id", "operator", "params", "error", "95%", "seeds"]
    title = "front (provisional: elites get further training seeds)" if status.provisional else "front"
    return table(title, columns, [_row(p) for p in status.front])


def operator_table(status: Status) -> RenderableType:
    keys = ["proposed", "parsed", "vetted", "new", "scored", "improved"]
    rows = [[name, *[yields.get(key, 0) for key in keys]] for name, yields in status.operators.items()]
    return table("operators", ["operator", *keys], rows)


def cost_table(status: Status) -> RenderableType:
    """What the operators took, and what a new valid child and an improvement cost."""
    units = {"cpu_s": "CPU s", "tokens": "tokens", "money": "money"}
    if not status.money:
        del units["money"]
    heads = [*units.values()]
    heads += [f"{unit}/{word}" for word in ("new", "improved") for unit in units.values()]
    rows: list[list[object]] = []
    for name, costs in status.costs.items():
        whole = status.operators.get(name) or {
            unit: sum(each[unit] for each in status.operators.values()) for unit in units
        }
        passed = [costs[success][unit] for success in ("new", "improved") for unit in units]
        rows.append([name, *[_amount(value) for value in (*[whole[unit] for unit in units], *passed)]])
    return table("cost", ["operator", *heads], rows)


def _amount(value: float | None) -> str:
    return "-" if value is None else f"{value:,.4g}" if value < 1000 else f"{value:,.0f}"


def summary(screen: Console, status: Status) -> None:
    """Where a campaign stands, on paper: counts, operators, the front beside the seeds."""
    reason = f" ({status.reason})" if status.reason else ""
    level = ("none (--unsafe)", "bold red") if status.level == "none" else status.level or "-"
    screen.print(Text.assemble((printable(status.name), "bold"), f": {status.state}{printable(reason)}"))
    tokens = status.tokens
    screen.print(
        f"{status.evaluations} of {status.budget} evaluated, {status.proposals} proposed, "
        f"{status.rejected} rejected, {status.duplicates} duplicates, {status.failed} failed, "
        f"{status.repeats} repeats"
        + (f" ({status.raced} of them raced)" if status.raced else "")
        + f", {status.retries} retries"
    )
    spent = (
        f"{clock(status.elapsed_s)} of wall clock, {cell(status.cpu_s)} CPU s, "
        f"LM tokens {tokens['prompt']:,} in {tokens['completion']:,} out {tokens['lost']:,} lost, "
        + (f"money {status.money:.4g}, " if status.money else "")
        + "isolation "
    )
    screen.print(Text.assemble(spent, level))
    if idle := status.idle:
        screen.print(
            f"slots idle for {idle.share:.1%} of {cell(idle.available)} slot-seconds in the steady state"
        )
    for rung in status.rungs:
        screen.print(rung_in_words(rung))
    for told in status.score_correlations:
        screen.print(correlation_in_words(told))
    if status.inherited["candidates"]:
        screen.print(
            f"{status.inherited['candidates']} children began with their parents' weights, which had seen "
            f"{status.inherited['steps']:,} training steps"
        )
    screen.print()
    if status.rounds:
        screen.print(round_table(status), "")
    if status.operators:
        screen.print(operator_table(status), "")
        screen.print(cost_table(status), "")
    seeds = [_row(p) for p in status.seeds]
    screen.print(table("seeds", ["id", "name", "params", "error", "95%", "seeds"], seeds), "")
    screen.print(front_table(status))
    for win in status.wins:
        screen.print(printable(win.words))
