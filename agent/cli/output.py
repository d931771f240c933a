"""What the commands print with: the console, tables; and the campaign that they read."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, JustifyMethod, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from evoarch.agent.base.formatting import cell
from evoarch.agent.cli.common import tell
from evoarch.agent.config.load import Config
from evoarch.agent.config.recorded import settings_of
from evoarch.archive.store import Store, open_archive


def terminal() -> bool:
    """Whether somebody looks at standard output, and it has a width."""
    return sys.stdout.isatty()


class Output(Console):
    """Standard output, with colour where it is a terminal, as wide as it takes where it is none.

    Nothing of what a campaign holds is markup: names and messages come from users and genomes.
    """

    def __init__(self) -> None:
        watched = terminal()
        super().__init__(soft_wrap=not watched, markup=False, emoji=False, width=None if watched else WIDE)

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


def table(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[object]], spare: Sequence[str] = ()
) -> FittedTable:
    """A plain table; columns that hold a number are set to the right.

    `spare`: columns that are left out, in this order, where there is no room for all.
    """
    return FittedTable(title, columns, rows, spare)


@dataclass(frozen=True)
class FittedTable:
    """A table that cuts no value: where the terminal is too narrow it leaves out whole columns, says which,
    and breaks words in two at last.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[object]]
    spare: Sequence[str] = ()

    def __rich_console__(self, screen: Console, options: ConsoleOptions) -> RenderResult:
        cells = [[cell(value) for value in row] for row in self.rows]
        shown, left_out = self._fitting(cells, options.max_width)
        built = Table(
            title=self.title or None, title_justify="left", box=None, pad_edge=False, header_style="bold"
        )
        for place, width in zip(shown, self._widths(cells, shown, options.max_width), strict=True):
            side: JustifyMethod = "right" if self._numeric(place) else "left"
            built.add_column(self.columns[place], justify=side, overflow="fold", width=width)
        for row in cells:
            built.add_row(*[Text(row[place]) for place in shown])
        yield built
        if left_out:
            yield Text(f"({options.max_width} columns: no room for {', '.join(left_out)})", "dim")

    def _fitting(self, cells: Sequence[Sequence[str]], width: int) -> tuple[list[int], list[str]]:
        """The places of the columns that there is room for, and the names of those left out."""
        shown, left_out = list(range(len(self.columns))), list[str]()
        for name in (name for name in self.spare if name in self.columns):
            if sum(self._least(cells, place) + GAP for place in shown) - GAP > width:
                shown.remove(self.columns.index(name))
                left_out.append(name)
        return shown, left_out

    def _widths(self, cells: Sequence[Sequence[str]], shown: Sequence[int], width: int) -> list[int]:
        """The width of each column: all that its values take or, where that is too much, the widest give way;
        first those that can be broken between words, then within words, numbers at last.
        """
        found = [max(map(cell_len, (self.columns[place], *(row[place] for row in cells)))) for place in shown]
        least = [self._least(cells, place) for place in shown]
        letters = [at if self._numeric(place) else 2 for at, place in zip(least, shown, strict=True)]
        for floor in (least, letters, [2] * len(shown)):
            while sum(found) + GAP * (len(found) - 1) > width:
                can = [place for place in range(len(found)) if found[place] > floor[place]]
                if not can:
                    break
                found[max(can, key=lambda place: found[place])] -= 1
        return found

    def _numeric(self, place: int) -> bool:
        return any(isinstance(row[place], int | float) for row in self.rows)

    def _least(self, cells: Sequence[Sequence[str]], place: int) -> int:
        """The width at which no word of a column is broken."""
        texts = (self.columns[place], *(row[place] for row in cells), "-")
        return max(cell_len(word) for text in texts for word in text.split())


GAP = 2
"""Columns between two columns of a table."""
