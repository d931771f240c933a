"""The machine: tasks it can run, what it has to offer."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import click

from evoarch.agent.base.errors import UserError
from evoarch.agent.cli.common import json_option, print_json
from evoarch.evaluators.errors import TaskError


@click.command()
@json_option
def tasks(as_json: bool) -> None:
    """List the tasks, what they offer to a model file, their recipes and baselines, and where they are from.

    \b
    Example:
      evoarch tasks
    """
    from evoarch.agent.cli.output import console, table
    from evoarch.evaluators.own_code import BUILT_IN, TASK, installed
    from evoarch.evaluators.tasks import FORMS, TASKS, load_task

    found = [(TASKS[name](), BUILT_IN) for name in sorted(TASKS)]
    for name, origin in sorted(installed(TASK).items()):
        try:
            found.append((load_task(name), origin))
        except TaskError as error:
            click.echo(f"evoarch: {error}", err=True)
    rows = [
        {
            "name": task.name,
            "offers": dict(task.offers),
            "recipes": sorted(task.recipes),
            "seeds": sorted(task.seeds),
            "origin": origin,
        }
        for task, origin in found
    ]
    if as_json:
        print_json("tasks", rows)
        return
    families = _families(rows)
    cells = [
        [name, *(_words(members[0][key]) for key in ("offers", "recipes", "seeds", "origin"))]
        for name, members in families.items()
    ]
    columns = ["task", "offers", "recipes", "baselines", "from"]
    console().print(table("", columns, cells, spare=("from", "offers", "baselines")))
    for name, members in families.items():
        if len(members) > 1:
            each = ", ".join(str(row["name"]).partition("/")[2] for row in members)
            console().print(f"{name}: {each}")
    console().print(f"and your own: --task {' or --task '.join(FORMS)}, docs/own-task.md")


def _families(rows: Sequence[Mapping[str, object]]) -> dict[str, list[Mapping[str, object]]]:
    """The tasks by name, those alone first; `group/NAME` stands for those of a group that offer the same."""
    alike: dict[tuple[str, str], list[Mapping[str, object]]] = {}
    for row in rows:
        group, slash, _ = str(row["name"]).partition("/")
        facts = repr([row[key] for key in ("offers", "recipes", "seeds", "origin")])
        alike.setdefault((group, facts if slash else ""), []).append(row)
    alone = {str(found[0]["name"]): found for found in alike.values() if len(found) == 1}
    groups = {f"{group}/NAME": found for (group, _), found in alike.items() if len(found) > 1}
    return alone | groups


def _words(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key}={item}" for key, item in value.items())
    return ", ".join(value) if isinstance(value, list) else str(value)


@click.command()
@click.argument("folder", metavar="[DIR]", required=False, default=".", type=click.Path(path_type=Path))
@click.option("--pool", is_flag=True, help="Say what each node of the pool of the campaign in DIR offers.")
@click.option("--address", help="With --pool: the Ray cluster to ask.  [default: the campaign's]")
@json_option
def doctor(folder: Path, pool: bool, address: str | None, as_json: bool) -> None:
    """Say what this machine offers: isolation, devices, LM backends, the file system of DIR.

    \b
    Examples:
      evoarch doctor demo
      evoarch doctor --pool demo
      evoarch doctor --pool --address ray://head:10001
    """
    if address and not pool:
        raise UserError("--address names a pool: expected --pool beside it")
    from evoarch.agent.cli.nodes import show_nodes
    from evoarch.agent.evaluation.doctor import examine
    from evoarch.agent.evaluation.ray_pool import nodes_of

    if pool:
        sys.exit(0 if show_nodes(nodes_of(folder, address), as_json=as_json) else 1)
    points = examine(folder)
    if as_json:
        print_json("doctor", [asdict(point) for point in points])
    else:
        for p in points:
            click.echo(
                f"{'ok ' if p.ok else 'no '} {p.what}: {p.found}" + (f" ({p.advice})" if p.advice else "")
            )
    sys.exit(0 if all(p.ok for p in points if p.needed) else 1)
