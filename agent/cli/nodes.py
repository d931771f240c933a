"""The nodes of a campaign's pool, with what each offers."""

from __future__ import annotations

from collections.abc import Sequence

import click

from evoarch.agent.cli.common import print_json
from evoarch.agent.cli.output import console, table
from evoarch.evaluators.pools.seam import Node


def show_nodes(nodes: Sequence[Node], *, as_json: bool) -> bool:
    """Prints one line a node; whether any of them can hold a slot."""
    if as_json:
        print_json("nodes", [_as_json(node) for node in nodes])
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
