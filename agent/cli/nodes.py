"""The nodes of a campaign's pool, with what each offers."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from pathlib import Path

import click

from evoarch.agent.cli.common import print_json
from evoarch.agent.cli.output import console, table
from evoarch.agent.config.load import FILE, load
from evoarch.agent.config.tables import EvaluationTable, SandboxTable
from evoarch.agent.evaluation.ray_pool import need_of, survey
from evoarch.evaluators.pools.seam import Node
from evoarch.sandbox.level import detect
from evoarch.sandbox.limits import Level


def nodes_of(folder: Path, address: str | None) -> Sequence[Node]:
    """The nodes that the campaign in `folder` would use, or those at `address`. Raises UserError."""
    evaluation, sandbox = EvaluationTable(), SandboxTable()
    if (folder / FILE).exists():
        config = load(folder)
        evaluation, sandbox = config.evaluation, config.sandbox
    if address is None and evaluation.pool == "local":
        return [this_machine(Level(sandbox.level))]
    return survey(address or evaluation.address, need_of(evaluation.slot), Level(sandbox.level))


def this_machine(least: Level) -> Node:
    """The one node of the local pool."""
    report, cores = detect(), len(os.sched_getaffinity(0))
    enough = report.level is not Level.NONE and report.level.at_least(least)
    refused = "" if enough else f"sandbox.level: expected at least {least}, it offers {report.level}"
    return Node(
        "local",
        platform.node(),
        cores if enough else 0,
        refused,
        report.level,
        report.reasons,
        {"cpus": float(cores)},
    )


def show_nodes(nodes: Sequence[Node], *, as_json: bool) -> bool:
    """Prints one line a node; whether any of them can hold a slot."""
    if as_json:
        print_json([_as_json(node) for node in nodes])
    else:
        cells = [
            [node.name, str(node.level or "?"), node.slots, _devices(node), _remark(node)] for node in nodes
        ]
        console().print(table("", ["node", "isolation", "slots", "devices", ""], cells))
        if not any(node.slots for node in nodes):
            click.echo("no node can hold a slot", err=True)
    return any(node.slots for node in nodes)


def _as_json(node: Node) -> dict[str, object]:
    return {
        "id": node.id,
        "name": node.name,
        "slots": node.slots,
        "refused": node.refused,
        "level": node.level.value if node.level else None,
        "reasons": list(node.reasons),
        "devices": dict(node.devices),
        "labels": dict(node.labels),
        "versions": dict(node.versions),
    }


def _devices(node: Node) -> str:
    amounts = {key: f"{amount:g}" for key, amount in node.devices.items()}
    if "memory" in node.devices:
        amounts["memory"] = f"{node.devices['memory'] / (1 << 30):.0f} GiB"
    return ", ".join(f"{key} {amount}" for key, amount in sorted(amounts.items()))


def _remark(node: Node) -> str:
    if node.refused:
        return f"gets nothing: {node.refused}"
    return "; ".join(node.reasons)
