"""Family trees: from seeds to chosen candidates, a column per generation, drawn with the operators' names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from evoarch.agent.report.svg import Link
from evoarch.archive.records import Candidate

COLUMN, ROW, MARGIN, WIDE = 118, 34, 16, 92
SHADES = 7
MOST = 300
"""Candidates that a tree shows."""


@dataclass(frozen=True)
class LineageNode:
    """A candidate's box: `x`, `y` of its upper left corner; `shade`: 0 (lowest error) to SHADES - 1."""

    candidate: Candidate
    x: float
    y: float
    shade: int | None


@dataclass(frozen=True)
class Tree:
    """A family laid out: nodes by candidate id, edges, and the size of the picture in SVG units."""

    nodes: Mapping[int, LineageNode]
    edges: Sequence[tuple[int, int, str, bool]]
    """(parent, child, operator, whether it is the first parent)."""
    width: float
    height: float


def lay_out(family: Sequence[Candidate], objective: str = "error") -> Tree:
    """A column per generation; in it, children beside their first parents where there is room."""
    levels: dict[int, list[Candidate]] = {}
    for candidate in family:
        levels.setdefault(candidate.generation, []).append(candidate)
    values = sorted({c.metrics[objective] for c in family if objective in c.metrics})
    shade = {v: min(SHADES - 1, place * SHADES // max(1, len(values))) for place, v in enumerate(values)}
    nodes: dict[int, LineageNode] = {}
    tallest = 0.0
    for column, generation in enumerate(sorted(levels)):

        def wish(candidate: Candidate) -> tuple[float, int]:
            parents = [nodes[p].y for p in candidate.parents if p in nodes]
            return (parents[0] if parents else 0.0), candidate.id

        bottom = float(MARGIN)
        for candidate in sorted(levels[generation], key=wish):
            y = max(bottom, wish(candidate)[0])
            value = candidate.metrics.get(objective)
            nodes[candidate.id] = LineageNode(
                candidate, MARGIN + column * COLUMN, y, None if value is None else shade[value]
            )
            bottom = y + ROW
        tallest = max(tallest, bottom)
    edges = [
        (parent, child.id, child.operator, place == 0)
        for child in family
        for place, parent in enumerate(child.parents)
        if parent in nodes
    ]
    return Tree(nodes, edges, 2 * MARGIN + len(levels) * COLUMN, tallest + MARGIN)


def draw_tree(tree: Tree, link: Link, marked: frozenset[int] = frozenset(), style: str = "") -> Markup:
    """The tree as one `svg` element; `marked` candidates get a frame."""
    out = [
        Markup(
            '<svg xmlns="http://www.w3.org/2000/svg" class="tree" viewBox="0 0 {0} {1}" width="{0}" '
            'height="{1}" role="group" aria-label="Lineage" data-chart="lineage">'
        ).format(round(tree.width), round(tree.height)),
        Markup("<style>") + Markup(style) + Markup("</style>") if style else Markup(""),
    ]
    out += [_edge(tree, *edge) for edge in tree.edges]
    out += [_node(node, link, node.candidate.id in marked) for node in tree.nodes.values()]
    return Markup("").join([*out, Markup("</svg>")])


def _edge(tree: Tree, parent: int, child: int, operator: str, first: bool) -> Markup:
    one, other = tree.nodes[parent], tree.nodes[child]
    x1, y1, x2, y2 = one.x + WIDE, one.y + 12, other.x, other.y + 12
    half = (x1 + x2) / 2
    path = Markup('<path class="edge{}" d="M{} {}C{} {} {} {} {} {}"><title>{}</title></path>').format(
        "" if first else " further", x1, y1, half, y1, half, y2, x2, y2, f"{operator}: #{parent} to #{child}"
    )
    if not first:
        return path
    return path + Markup('<text class="edge-name" x="{}" y="{}">{}</text>').format(
        other.x, other.y - 2, operator
    )


def _node(node: LineageNode, link: Link, marked: bool) -> Markup:
    candidate = node.candidate
    kind = f"shade{node.shade}" if node.shade is not None else "unscored"
    error = candidate.metrics.get("error")
    said = f"{error:.3f}" if error is not None else str(candidate.state)
    label = f"#{candidate.id} {candidate.name or candidate.operator}, {said}"
    box = Markup(
        '<g class="node {}{}" data-candidate="{}"><rect x="{}" y="{}" width="{}" height="24" rx="4"/>'
        '<text x="{}" y="{}">{}</text><title>{}</title></g>'
    ).format(
        kind,
        " marked" if marked else "",
        candidate.id,
        node.x,
        node.y,
        WIDE,
        node.x + 6,
        node.y + 16,
        f"#{candidate.id} {said}",
        label,
    )
    target = link(candidate.id)
    if target is None:
        return box
    return Markup('<a href="{}" aria-label="{}">{}</a>').format(target, label, box)
