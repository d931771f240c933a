"""What the commands share: arguments, options, JSON. Light: help and shell completion import it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import click

from evoarch.agent.base.formatting import printable

INTERRUPTED = 128
"""Exit code of a command that a signal ended, less the signal's number, as shells have it: 130 after Ctrl-C
(SIGINT), 143 after SIGTERM."""

folder_argument = click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
id_argument = click.argument("identity", metavar="ID", type=int)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")


def tell(notes: Iterable[str]) -> None:
    """Prints what a reader should know beside the answer, a line each, on stderr."""
    for note in notes:
        click.echo(f"note: {printable(note)}", err=True)


def print_json(value: object) -> None:
    """Prints `value` with sorted keys; what JSON has no type for is printed as text."""
    click.echo(json.dumps(value, indent=2, sort_keys=True, default=str))
