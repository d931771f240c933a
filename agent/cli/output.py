"""What the commands print with: the console, tables; and the campaign that they read."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from evoarch.agent.base.formatting import cell
from evoarch.agent.cli.common import tell
from evoarch.agent.config.load import Config
from evoarch.agent.config.recorded import settings_of
from evoarch.archive.store import Store, open_archive


class Output(Console):
    """Standard output, with colour where it is a terminal, as wide as it takes where it is none.

    Nothing of what a campaign holds is markup: names and messages come from users and genomes.
    """

    def __init__(self) -> None:
        wide = None if sys.stdout.isatty() else WIDE
        super().__init__(soft_wrap=True, markup=False, emoji=False, width=wide)

    def on_broken_pipe(self) -> None:
        """Left to the command, which ends as it does wherever its reader has gone."""
        raise BrokenPipeError


WIDE = 1000
"""Columns of an output that is no terminal: figures are for programs then, and must not be cut."""


def console() -> Console:
    """A console on what is standard output now."""
    return Output()


def paged(screen: Console, *parts: RenderableType) -> None:
    """Prints `parts`: through the pager where a person looks at more than a screenful, plainly otherwise."""
    shown = Group(*parts)
    if screen.is_terminal and len(screen.render_lines(shown, pad=False)) > screen.height:
        with screen.pager(styles=True):
            screen.print(shown)
    else:
        screen.print(shown)


def reading(folder: Path) -> tuple[Store, Config]:
    """The archive, read-only, and the configuration that the campaign in `folder` ran under; what differs
    from campaign.toml is told. Raises UserError and ArchiveError.
    """
    settings = settings_of(folder)
    tell(settings.notes)
    return open_archive(folder, write=False), settings.config


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> Table:
    """A plain table; columns whose first cell is a number are set to the right."""
    built = Table(title=title or None, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for index, column in enumerate(columns):
        number = bool(rows) and isinstance(rows[0][index], int | float)
        built.add_column(column, justify="right" if number else "left", no_wrap=number)
    for row in rows:
        built.add_row(*[Text(cell(value)) for value in row])
    return built
