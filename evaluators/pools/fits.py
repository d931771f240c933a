"""How many slots fit a node, and what a cluster lacks where none does."""

from __future__ import annotations

from collections.abc import Sequence

from evoarch.evaluators.pools.seam import Need, Node


def wanted(need: Need) -> dict[str, float]:
    """What a slot takes, by the key of a node's devices."""
    amounts = {"cpus": need.cpus, "gpus": need.gpus, "memory": float(need.memory), **need.resources}
    return {key: amount for key, amount in amounts.items() if amount > 0}


def fits(node: Node, need: Need) -> int:
    """Slots that the whole node holds at a time; 0 where a label is not as needed."""
    if any(node.labels.get(key) != value for key, value in need.labels.items()):
        return 0
    # A third of a GPU three times is a whole one, whatever floating point says.
    rooms = [int(node.devices.get(key, 0.0) / amount + 1e-6) for key, amount in wanted(need).items()]
    return min(rooms, default=0)


def shortage(nodes: Sequence[Node], need: Need) -> str:
    """Which resource no node has enough of for one slot, "" where some node holds one."""
    if any(fits(node, need) for node in nodes):
        return ""
    lacking = []
    for key, amount in wanted(need).items():
        most = max((node.devices.get(key, 0.0) for node in nodes), default=0.0)
        if most < amount:
            lacking.append(
                f"{key}: a slot needs {_amount(key, amount)}, the most of any node is {_amount(key, most)}"
            )
    for key, value in need.labels.items():
        if not any(node.labels.get(key) == value for node in nodes):
            known = sorted({node.labels[key] for node in nodes if key in node.labels}) or ["no node has it"]
            lacking.append(f"labels.{key}: a slot needs {value!r}, got {', '.join(known)}")
    if not lacking:
        lacking = [
            f"no node has {', '.join(f'{k} {_amount(k, a)}' for k, a in wanted(need).items())} at once"
        ]
    return f"evaluation.slot: {'; '.join(lacking)} ({len(nodes)} nodes)"


def _amount(key: str, amount: float) -> str:
    return f"{amount / (1 << 20):.0f} MiB" if key == "memory" else f"{amount:g}"
