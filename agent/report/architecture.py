"""The architecture of a model as its dry run traced it: a graph, and what differs between two.

A trace is a claim of the child (evaluators.trace): shown, never a score.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from evoarch.agent.base.formatting import cell, printable
from evoarch.agent.report.layered import layered, path
from evoarch.evaluators.trace import INPUT, Node, Trace, TraceError

STEP, WIDE, TALL, LANE, MARGIN = 62, 150, 36, 14, 12


def trace_of(stored: object) -> Trace | None:
    """A stored trace; None where there is none, or one that has not the agreed form."""
    if stored is None:
        return None
    try:
        return Trace.from_json(stored)
    except TraceError:
        return None


@dataclass(frozen=True)
class CallChange:
    """One call of two traces. `kind`: same, changed, removed (`left` alone) or added (`right` alone)."""

    kind: str
    left: Node | None
    right: Node | None

    @property
    def words(self) -> str:
        """What differs, in one line; "" where nothing does."""
        if self.left is None or self.right is None:
            return f"{self.kind} {in_words(self.left or self.right)}"
        if self.kind == "same":
            return ""
        return f"{in_words(self.left)} became {in_words(self.right)}"


def in_words(node: Node | None) -> str:
    """A call with its settings, shape and parameters."""
    if node is None:
        return ""
    hints = ", ".join(f"{name} {value:g}" for name, value in node.hints.items())
    where = f" {node.name}" if node.name else ""
    size = f", {cell(node.params)} parameters" if node.params else ""
    return printable(f"{node.kind}{where}{f' ({hints})' if hints else ''} to {_shape(node)}{size}")


def _shape(node: Node) -> str:
    return " x ".join(map(str, node.shape)) or "a number"


def changes(before: Trace, after: Trace) -> list[CallChange]:
    """Calls in order. Equal are those of one kind with the same settings, shape and parameters; a call that
    became another one of its kind or name is changed.
    """
    one, other = ([_signature(node) for node in trace.nodes] for trace in (before, after))
    found: list[CallChange] = []
    for tag, i, j, k, m in difflib.SequenceMatcher(None, one, other, autojunk=False).get_opcodes():
        left, right = list(before.nodes[i:j]), list(after.nodes[k:m])
        if tag == "equal":
            found += [CallChange("same", a, b) for a, b in zip(left, right, strict=True)]
        else:
            found += _replaced(left, right)
    return found


def _signature(node: Node) -> tuple[object, ...]:
    return (node.kind, node.shape, node.params, tuple(sorted(node.hints.items())))


def _replaced(left: Sequence[Node], right: Sequence[Node]) -> list[CallChange]:
    found: list[CallChange] = []
    rest = list(right)
    for node in left:
        place = next(
            (
                at
                for at, other in enumerate(rest)
                if other.kind == node.kind or (node.name and other.name == node.name)
            ),
            None,
        )
        if place is None:
            found.append(CallChange("removed", node, None))
            continue
        found += [CallChange("added", None, other) for other in rest[:place]]
        found.append(CallChange("changed", node, rest[place]))
        rest = rest[place + 1 :]
    return [*found, *(CallChange("added", None, other) for other in rest)]


def draw_trace(trace: Trace, kinds: Mapping[int, str] | None = None) -> Markup:
    """The calls as a graph from the input downwards, each behind all that it reads; no edge runs behind a
    box.

    `kinds`: by number of a call, a class that it is drawn with (added, changed).
    """
    ranks = {INPUT: 0}
    for number, node in enumerate(trace.nodes):
        ranks[number] = 1 + max((ranks[read] for read in node.reads), default=0)
    edges = [(read, number) for number, node in enumerate(trace.nodes) for read in node.reads]
    layout = layered(ranks, edges, row=WIDE + 16, lane=LANE)
    width, height = layout.height + 2 * MARGIN, (max(ranks.values()) + 1) * STEP + 2 * MARGIN

    def top(rank: int) -> float:
        return MARGIN + rank * STEP

    out = [
        Markup(
            '<svg xmlns="http://www.w3.org/2000/svg" class="tree" viewBox="0 0 {0} {1}" width="{0}" '
            'height="{1}" role="img" aria-label="Architecture: {2} calls" data-chart="architecture">'
        ).format(round(width), round(height), len(trace.nodes))
    ]
    for read, number in dict.fromkeys(edges):
        route = [(rank, MARGIN + across) for rank, across in layout.route(read, number)]
        out.append(
            Markup('<path class="edge" data-edge="{} {}" d="{}"/>').format(
                read, number, path(route, top, TALL, upright=True)
            )
        )
    for number, rank in ranks.items():
        call = trace.nodes[number] if number != INPUT else None
        x, y = MARGIN + layout.centres[number] - WIDE / 2, top(rank)
        kind = (
            "input"
            if call is None
            else (kinds or {}).get(number, "module" if call.kind[:1].isupper() else "call")
        )
        first = "input" if call is None else call.kind
        second = "" if call is None else _shape(call) + (f" · {cell(call.params)}" if call.params else "")
        out.append(
            Markup(
                '<g class="call {}" data-candidate="{}"><rect x="{:.1f}" y="{}" width="{}" height="{}" '
                'rx="4"/>'
                '<text x="{:.1f}" y="{}">{}</text><text class="tick" x="{:.1f}" y="{}">{}</text>'
                "<title>{}</title></g>"
            ).format(
                *(kind, number, x, y, WIDE, TALL, x + 6, y + 15, printable(first)[:22], x + 6, y + 30),
                *(second[:26], in_words(call) or "the input"),
            )
        )
    return Markup("").join([*out, Markup("</svg>")])


def kinds_after(found: Sequence[CallChange]) -> dict[int, str]:
    """By number of a call of the later trace, "added" or "changed", for `draw_trace`."""
    later = [change for change in found if change.right is not None]
    return {number: change.kind for number, change in enumerate(later) if change.kind in ("added", "changed")}
