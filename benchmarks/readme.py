"""README's transcript and figure of a finished campaign: `make readme` after `make demo`.

python -m benchmarks.readme [FOLDER]

What stands between the two marks in README.md is replaced by what this version prints of the campaign, and
docs/img/front.svg by its front. `benchmarks/screenshots.py FOLDER` takes the other pictures.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import textwrap
import time
from importlib.metadata import version
from io import StringIO
from pathlib import Path

from rich.console import Console

from evoarch.agent.analysis.overview import Overview, read_overview
from evoarch.agent.cli import main as command
from evoarch.agent.cli.live import opening_lines
from evoarch.agent.cli.views import clock, summary
from evoarch.agent.config.recorded import settings_of
from evoarch.archive.store import Store, open_archive

TOP = Path(__file__).parents[1]
PAGE, FIGURE = TOP / "README.md", TOP / "docs" / "img" / "front.svg"
BEGIN, END = "<!-- make readme: begin -->", "<!-- make readme: end -->"
COLUMNS = 110
LAST = "What was found"
"""From here on the end of a run is shown: costs and failures stand before it."""


def transcript(folder: Path) -> str:
    """The text between the marks: when and by what it was made, the first lines of a run and its end."""
    settings = settings_of(folder)
    with open_archive(folder, write=False) as store:
        overview = read_overview(store, settings.config, steps=False)
        out = StringIO()
        screen = Console(file=out, width=COLUMNS, markup=False, emoji=False, highlight=False)
        summary(screen, overview, folder)
        first = opening_lines(settings.config, 0, overview.status.level, folder)
        made = _made(store, overview, folder)
    wrapped = [part for line in first for part in textwrap.wrap(line, COLUMNS) or [""]]
    lines = out.getvalue().splitlines()
    printed = "\n".join(line.rstrip() for line in [*wrapped, "...", *lines[lines.index(LAST) :]])
    return f"{made}\n\n```\n{printed.rstrip()}\n```"


def _made(store: Store, overview: Overview, folder: Path) -> str:
    ended = store.last_event("stop")
    day = time.strftime("%-d %B %Y", time.gmtime(ended.time if ended else 0))
    return (
        f"What `evoarch run {folder}` printed first and last on {day}, evoarch {version('evoarch')}, "
        f"{overview.status.evaluations} children in {clock(overview.status.elapsed_s)} minutes on "
        f"{os.cpu_count()} cores (`make demo`, then `make readme`):"
    )


def replaced(page: str, text: str) -> str:
    """`page` with `text` between the marks. Raises ValueError where these are missing."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"expected {BEGIN} and {END} in the page")
    return f"{before}{begin}\n{text}\n{end}{after}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, nargs="?", default=Path("demo"))
    folder = parser.parse_args().folder
    PAGE.write_text(replaced(PAGE.read_text(encoding="utf-8"), transcript(folder)), encoding="utf-8")
    with tempfile.TemporaryDirectory() as top:
        report = ["report", str(folder), "-o", f"{top}/report.html", "--figures", f"{top}/figures"]
        command(report, standalone_mode=False)
        shutil.copyfile(f"{top}/figures/front.svg", FIGURE)
    print(f"{PAGE.name} and {FIGURE.relative_to(TOP)} show {folder}")


if __name__ == "__main__":
    main()
