"""The machine: tasks it can run, what it has to offer."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from agent.cli.common import console, json_option, print_json, table
from agent.doctor import examine
from evaluators.tasks import TASKS, load_task


@click.command()
@json_option
def tasks(as_json: bool) -> None:
    """List the tasks, what they offer to a model file, their recipes and baselines.

    \b
    Example:
      evoarch tasks
    """
    found = [load_task(name) for name in sorted(TASKS)]
    rows = [
        {
            "name": task.name,
            "offers": dict(task.offers),
            "recipes": sorted(task.recipes),
            "seeds": sorted(task.seeds),
        }
        for task in found
    ]
    if as_json:
        print_json(rows)
        return
    cells = [[r["name"], _words(r["offers"]), _words(r["recipes"]), _words(r["seeds"])] for r in rows]
    console().print(table("", ["task", "offers", "recipes", "baselines"], cells))


def _words(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key}={item}" for key, item in value.items())
    return ", ".join(value) if isinstance(value, list) else str(value)


@click.command()
@click.argument("folder", metavar="[DIR]", required=False, default=".", type=click.Path(path_type=Path))
@json_option
def doctor(folder: Path, as_json: bool) -> None:
    """Say what this machine offers: isolation, devices, LM backends, the file system of DIR.

    \b
    Example:
      evoarch doctor demo
    """
    points = examine(folder)
    if as_json:
        print_json([{"what": p.what, "ok": p.ok, "found": p.found, "advice": p.advice} for p in points])
    else:
        for p in points:
            click.echo(
                f"{'ok ' if p.ok else 'no '} {p.what}: {p.found}" + (f" ({p.advice})" if p.advice else "")
            )
    sys.exit(0 if all(p.ok for p in points if p.needed) else 1)
