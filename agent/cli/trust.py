"""Before a folder's own code is run: says what it is, and asks once."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from evoarch.agent.base.errors import UserError
from evoarch.agent.base.formatting import printable

if TYPE_CHECKING:
    from evoarch.agent.config.trust import Code

trust_option = click.option(
    "--trust", is_flag=True, help="Run the folder's own code (task, programs) without asking; remembered."
)


def agree(folder: Path, code: Sequence[Code], *, trust: bool) -> None:
    """Returns where the user agrees, has agreed, or said --trust. Raises UserError: nothing is run."""
    from evoarch.agent.config.trust import VARIABLE, remember, trusted

    if trusted(folder, code):
        return
    if not trust:
        if not _interactive():
            raise UserError(
                f"{folder}: runs code with your rights that you have not agreed to: "
                f"{', '.join(map(str, code))}; read it, then give --trust, or set {VARIABLE}=1"
            )
        click.echo(f"{printable(str(folder))}: this runs with your rights, outside the walls:", err=True)
        for one in code:
            click.echo(f"  {printable(str(one))}", err=True)
            for file in dict.fromkeys(one.files):
                click.echo(f"    {printable(str(file))}", err=True)
        if not click.confirm("Run it?", err=True):
            raise UserError(f"{folder}: nothing was run")
    remember(folder, code)


def _interactive() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()
