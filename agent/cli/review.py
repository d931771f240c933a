"""review: the campaign in a browser."""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path

import click

from evoarch.agent.cli.common import folder_argument, tell


@click.command()
@folder_argument
@click.option("--port", default=8321, show_default=True, type=click.IntRange(0, 65535), help="0: a free one.")
def review(folder: Path, port: int) -> None:
    """Show a campaign in a browser, live while it runs: front, code, diffs, lineage, your verdicts.

    The page is served on this machine alone; Ctrl-C ends it.

    \b
    Example:
      evoarch review demo
    """
    from evoarch.agent.config.recorded import settings_of
    from evoarch.agent.web.server import HOST, bind, serve
    from evoarch.archive.store import open_archive

    tell(settings_of(folder).notes)
    # Opened for writing once: an archive of an older version is brought up to date.
    open_archive(folder, write=True).close()
    listening = bind(port)
    taken = listening.getsockname()[1]

    def ready() -> None:
        click.echo(f"review of {folder}: http://{HOST}:{taken}/")
        click.echo(
            "only this machine can open it; from another one: "
            f"ssh -L {taken}:{HOST}:{taken} {socket.gethostname()}"
        )

    # Ctrl-C is how a person ends it, and no failure.
    with contextlib.suppress(KeyboardInterrupt):
        serve(folder, listening, ready)
