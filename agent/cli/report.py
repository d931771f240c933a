"""report: what a campaign found, in a file that can be mailed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from evoarch.agent.base.endings import refuse_other_ending
from evoarch.agent.base.errors import UserError, files_told
from evoarch.agent.cli.common import folder_argument, json_option, print_json

if TYPE_CHECKING:
    from evoarch.agent.report.document import Report

FORMATS = {"html": ".html", "md": ".md"}


@click.command()
@folder_argument
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE")
@click.option("--format", "form", type=click.Choice(sorted(FORMATS)), help="Default: as FILE ends, or html.")
@click.option(
    "--figures", "folder_of_figures", type=click.Path(path_type=Path), metavar="DIR", help="SVG files."
)
@click.option("--interactive", is_flag=True, help="HTML with a chart to explore; library and data inside.")
@json_option
def report(
    folder: Path,
    output: Path | None,
    form: str | None,
    folder_of_figures: Path | None,
    interactive: bool,
    as_json: bool,
) -> None:
    """Write the report of a campaign: one HTML file that needs nothing else, or Markdown with its figures.

    \b
    Examples:
      evoarch report demo -o report.html
      evoarch report demo --interactive -o report.html
      evoarch report demo --format md -o report.md
      evoarch report demo --json
    """
    from evoarch.agent.cli.output import reading
    from evoarch.agent.report.document import as_html, as_markdown, read_report

    if output and not form:
        refuse_other_ending("-o", output, tuple(FORMATS.values()), "one of these (--format says which)")
    store, config = reading(folder)
    form = form or next((f for f, ending in FORMATS.items() if output and output.suffix == ending), "html")
    if interactive and form != "html":
        raise UserError(f"--interactive: expected a report in HTML, got {form}")
    found = read_report(store, config, interactive=interactive)
    if as_json:
        print_json("report", found.as_json())
        return
    output = output or Path(f"report{FORMATS[form]}")
    images: dict[str, str] = {}
    if not output.parent.is_dir():
        raise UserError(f"{output}: {output.parent} is no folder", code=1)
    if form == "md" or folder_of_figures:
        target = folder_of_figures or output.with_name(f"{output.stem}-figures")
        images = _write_figures(found, target, output)
    _write(output, as_html(found) if form == "html" else as_markdown(found, images))
    click.echo(f"wrote {output}")


def _write_figures(found: Report, target: Path, output: Path) -> dict[str, str]:
    """The files' places as the Markdown file sees them."""
    from evoarch.agent.report.document import figures

    with files_told(target):
        target.mkdir(parents=True, exist_ok=True)
    images = {}
    for name, picture in figures(found, alone=True).items():
        path = target / f"{name}.svg"
        _write(path, str(picture))
        images[name] = Path(os.path.relpath(path, output.resolve().parent)).as_posix()
    return images


def _write(path: Path, text: str) -> None:
    with files_told(path):
        path.write_text(text, encoding="utf-8")
