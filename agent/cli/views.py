"""Where a campaign stands, in the terminal: its counts, front, operators and costs as tables."""

from __future__ import annotations

from rich.console import Console, RenderableType
from rich.text import Text

from evoarch.agent.analysis.early_stopping import correlation_in_words
from evoarch.agent.analysis.early_stopping import in_words as rung_in_words
from evoarch.agent.analysis.status import FrontPoint, Status
from evoarch.agent.base.formatting import cell, printable
from evoarch.agent.cli.output import table
from evoarch.agent.statistics.intervals import in_words


def clock(seconds: float | None) -> str:
    """Seconds as minutes and seconds, `3:07`; `-` for None."""
    if seconds is None:
        return "-"
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}:{rest:02d}"


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
    """The elites, a row each, with the interval of their error and their training seeds."""
    columns = ["id", "operator", "params", "error", "95%", "seeds"]
    title = "front (provisional: elites get further training seeds)" if status.provisional else "front"
    return table(title, columns, [_row(p) for p in status.front])


def operator_table(status: Status) -> RenderableType:
    """How many children of each operator came how far."""
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
    """Prints where a campaign stands: counts, operators, the front beside the seeds."""
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
