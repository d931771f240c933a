"""What the commands share: arguments, options, JSON. Light: help and shell completion import it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import click

from evoarch.agent.base.formatting import printable

INTERRUPTED = 128
"""Exit code of a command that a signal ended, less the signal's number, as shells have it: 130 after Ctrl-C
(SIGINT), 143 after SIGTERM."""

folder_argument = click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
id_argument = click.argument("identity", metavar="ID", type=int)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")
jobs_option = click.option(
    "--jobs", type=click.IntRange(min=1), help="Trainings at a time.  [default: one per core, device or slot]"
)
unsafe_option = click.option(
    "--unsafe", is_flag=True, help="Run where the system has no isolation to offer. Trusted code only."
)


def tell(notes: Iterable[str]) -> None:
    """Prints what a reader should know beside the answer, a line each, on stderr."""
    for note in notes:
        click.echo(f"note: {printable(note)}", err=True)


SCHEMAS: Mapping[str, int] = {
    "check": 1,
    "compare": 1,
    "config": 1,
    "config-key": 1,
    "confirm": 1,
    "doctor": 1,
    "dry-run": 1,
    "error": 1,
    "evaluate": 1,
    "explain": 1,
    "list": 1,
    "nodes": 1,
    "report": 1,
    "scale": 1,
    "show": 1,
    "space": 1,
    "status": 1,
    "tasks": 1,
    "zoo": 1,
    "zoo-family": 1,
}
"""The shapes that `--json` prints and their versions: a key that goes or changes its meaning makes a new one.
docs/json.md says what each holds."""


PRINTED = "evoarch.printed"
"""Of a context: JSON has been printed, so that an error that follows is told on stderr alone."""


def print_json(shape: str, value: Mapping[str, object] | Sequence[object]) -> None:
    """Prints an object with sorted keys: `schema`, "SHAPE/VERSION", beside the keys of `value`, or beside
    `rows` where it is a list. It is ASCII without control characters; what JSON has no type for is printed as
    text, a number that it can't say as null.
    """
    from evoarch.archive.database import finite

    body = value if isinstance(value, Mapping) else {"rows": value}
    whole = {"schema": f"{shape}/{SCHEMAS[shape]}", **body}
    text = json.dumps(finite(whole), indent=2, sort_keys=True, default=str, allow_nan=False)
    click.echo(text.replace("\x7f", "\\u007f"))
    if context := click.get_current_context(silent=True):
        context.meta[PRINTED] = True
