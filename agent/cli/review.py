"""review: the campaign in a browser."""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path

import click

from evoarch.agent.cli.common import tell


@click.command()
@click.argument("folders", metavar="DIR...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--port", default=8321, show_default=True, type=click.IntRange(0, 65535), help="0: a free one.")
def review(folders: tuple[Path, ...], port: int) -> None:
    """Show campaigns in a browser, live while they run: front, code, diffs, lineage, your verdicts.

    Several, or a folder of campaigns, are shown as a list with their curves and the tests of `compare`. The
    page is served on this machine alone; Ctrl-C ends it.

    \b
    Examples:
      evoarch review demo
      evoarch review demo/compare
    """
    from evoarch.agent.config.recorded import settings_of
    from evoarch.agent.web.server import HOST, bind, serve
    from evoarch.archive.store import open_archive

    found = _campaigns(folders)
    for folder in found:
        if len(found) == 1:
            tell(settings_of(folder).notes)
        # Opened for writing once: an archive of an older version is brought up to date.
        open_archive(folder, write=True).close()
    listening = bind(port)
    taken = listening.getsockname()[1]

    def ready() -> None:
        click.echo(f"review of {', '.join(map(str, folders))}: http://{HOST}:{taken}/")
        click.echo(
            "only this machine can open it; from another one: "
            f"ssh -L {taken}:{HOST}:{taken} {socket.gethostname()}"
        )

    # Ctrl-C is how a person ends it, and no failure.
    with contextlib.suppress(KeyboardInterrupt):
        serve(found, listening, ready)


def _campaigns(folders: tuple[Path, ...]) -> list[Path]:
    """Each of these that is a campaign, and of the others the campaigns below that have an archive.

    Where a folder holds none it stays itself: reading it says what is missing.
    """
    from evoarch.agent.config.load import FILE
    from evoarch.archive.schema import FILE as DATABASE

    found: list[Path] = []
    for folder in folders:
        below = []
        if not (folder / FILE).exists() and not (folder / DATABASE).exists():
            below = [path.parent for path in sorted(folder.rglob(DATABASE)) if (path.parent / FILE).exists()]
        found += below or [folder]
    return list(dict.fromkeys(found))
