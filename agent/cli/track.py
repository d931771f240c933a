"""track: what a campaign's trackers were not told, told now."""

from __future__ import annotations

from pathlib import Path

import click

from evoarch.agent.base.errors import UserError
from evoarch.agent.base.formatting import printable
from evoarch.agent.cli.common import folder_argument


@click.command()
@folder_argument
@click.option(
    "--seconds", type=click.FloatRange(min=1), default=600, show_default=True, help="For each, at most."
)
def track(folder: Path, seconds: float) -> None:
    """Tell the trackers of campaign.toml what they were not told: one was down, or [[track]] is new.

    \b
    Example:
      evoarch track demo
    """
    from evoarch.agent.config.recorded import settings_for_run
    from evoarch.agent.tracking.launch import catch_up
    from evoarch.archive.store import open_archive

    open_archive(folder, write=False).close()
    tables = settings_for_run(folder).config.track
    if not tables:
        raise UserError(
            f"{folder}: campaign.toml has no [[track]] table; there is no tracker to tell", code=1
        )
    failed = []
    for table in tables:
        problem = catch_up(folder, table, seconds)
        click.echo(printable(f"{table.tracker}: {problem or 'knows all'}"))
        failed += [table.tracker] if problem else []
    if failed:
        raise UserError(f"not told: {', '.join(failed)}; the archive still has all of it", code=1)
