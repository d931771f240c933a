"""Where a campaign stands, in the terminal: the sections of its overview."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.text import Text

from evoarch.agent.analysis.overview import Overview
from evoarch.agent.analysis.sections import Section, sections
from evoarch.agent.base.formatting import command, printable
from evoarch.agent.cli.output import FittedTable, table


def clock(seconds: float | None) -> str:
    """Seconds as minutes and seconds, `3:07`; `-` for None."""
    if seconds is None:
        return "-"
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}:{rest:02d}"


def section_table(section: Section) -> FittedTable:
    """A section's rows as a table under its title."""
    rows = [[fact.value for fact in row] for row in section.rows]
    return table(section.title, section.columns, rows, section.spare)


def summary(screen: Console, overview: Overview, folder: Path | None = None) -> None:
    """Prints an overview: all that the page and the reports say too, but the charts. `folder`: the
    campaign's, for what to type next.
    """
    status = overview.status
    screen.print(Text.assemble((printable(status.name), "bold"), f": {printable(status.state)}"))
    first, *others = sections(overview)
    # What was found comes last: it is what a terminal still shows.
    found = [section for section in others if section.key in ("found", "front", "seeds", "wins")]
    for section in (first, *(section for section in others if section not in found), *found):
        if section.columns and section.rows:
            screen.print("", section_table(section), sep="\n")
        elif section.rows:
            screen.print("", Text(section.title, "bold"), _pairs(section), sep="\n")
        elif section.sentences:
            screen.print("", Text(section.title, "bold"), sep="\n")
        for sentence in section.sentences:
            screen.print(printable(sentence))
    if folder is not None and (lines := _next(overview, folder)):
        screen.print("", Text("Next", "bold"), *(Text(f"{line}   # {why}") for line, why in lines), sep="\n")


def _next(overview: Overview, folder: Path) -> list[tuple[str, str]]:
    """Commands that go on from here, with what each is for."""
    status, found = overview.status, []
    if status.state in ("new", "stopped", "interrupted"):
        found.append((command("run", folder), "goes on"))
    if shown := status.bests.get(overview.objectives[0]):
        found.append((command("show", folder, shown.id), f"the model of lowest {overview.objectives[0]}"))
        found.append((command("review", folder), "all of it in a browser"))
    if shown and status.state == "complete":
        found.append((command("confirm", folder), "is it really better? trained anew, tested on unseen data"))
    return found


def _pairs(section: Section) -> Text:
    """Labels and values in one paragraph."""
    pairs = [
        (printable(f"{label.text} {fact.text}"), "bold red" if fact.warning else "")
        for label, fact in section.rows
    ]
    return Text(" \N{MIDDLE DOT} ").join(Text(words, style) for words, style in pairs)
