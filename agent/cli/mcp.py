"""mcp: the commands as tools for a coding agent."""

from __future__ import annotations

import asyncio
from importlib.util import find_spec
from pathlib import Path

import click

from evoarch.agent.base.errors import UserError


@click.command()
@click.option(
    "--root",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    default=Path(),
    metavar="DIR",
    help="Campaigns are in here, and nothing else is touched.  [default: the current folder]",
)
@click.option(
    "--allow",
    type=click.Choice(["run", "confirm"]),
    multiple=True,
    help="What may be done besides reading: begin and run campaigns; open sealed tests. Repeatable.",
)
def mcp(root: Path, allow: tuple[str, ...]) -> None:
    """Serve evoarch's commands as tools for a coding agent (Model Context Protocol, stdin and stdout).

    Without --allow it reads only. docs/mcp.md says how agents are told of it.

    \b
    Example:
      evoarch mcp --root campaigns --allow run
    """
    if find_spec("mcp") is None:
        raise UserError("mcp needs the package of the protocol: pip install 'evoarch[mcp]'")
    from evoarch.agent.mcp.server import serve

    asyncio.run(serve(root, allow))  # type: ignore[arg-type]
