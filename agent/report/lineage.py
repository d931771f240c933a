"""Family trees: from seeds to chosen candidates, a column per generation, drawn with the operators' names.

No edge runs behind a box (see layered.py): a chain of boxes is a line of descent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from evoarch.agent.report.layered import Layered, layered, path
from evoarch.agent.report.svg import Link
from evoarch.archive.records import Candidate

COLUMN, ROW, LANE, MARGIN, WIDE, TALL = 150, 38, 10, 16, 92, 24
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
    """A family laid out: nodes by candidate id, edges and where they run, and the picture's size in SVG
    units.
    """

    nodes: Mapping[int, LineageNode]
    edges: Sequence[tuple[int, int, str, bool]]
    """(parent, child, operator, whether it is the first parent)."""
    layout: Layered
    width: float
    height: float


def lay_out(family: Sequence[Candidate], objective: str = "error") -> Tree:
    """A column per generation; in it, children beside their parents where there is room."""
    known = {candidate.id: candidate for candidate in family}
    generations = sorted({candidate.generation for candidate in family})
    columns = {c.id: generations.index(c.generation) for c in sorted(family, key=lambda c: c.id)}
    edges = [
        (parent, child.id, child.operator, place == 0)
        for child in family
        for place, parent in enumerate(child.parents)
        if parent in known
    ]
    layout = layered(columns, [(parent, child) for parent, child, _, _ in edges], row=ROW, lane=LANE)
    values = sorted({c.metrics[objective] for c in family if objective in c.metrics})
    shade = {v: min(SHADES - 1, place * SHADES // max(1, len(values))) for place, v in enumerate(values)}
    nodes = {
        c.id: LineageNode(
            c,
            _left(columns[c.id]),
            MARGIN + layout.centres[c.id] - TALL / 2,
            shade[c.metrics[objective]] if objective in c.metrics else None,
        )
        for c in known.values()
    }
    return Tree(nodes, edges, layout, _left(len(generations)) + MARGIN, layout.height + 2 * MARGIN)


def _left(column: int) -> float:
    return MARGIN + column * COLUMN


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
    route = [(column, MARGIN + height) for column, height in tree.layout.route(parent, child)]
    drawn = Markup('<path class="edge{}" data-edge="{} {}" d="{}"><title>{}</title></path>').format(
        "" if first else " further",
        parent,
        child,
        path(route, _left, WIDE),
        f"{operator}: #{parent} to #{child}",
    )
    if not first:
        return drawn
    other = tree.nodes[child]
    return drawn + Markup('<text class="edge-name" x="{}" y="{:.1f}">{}</text>').format(
        other.x, other.y - 2, operator
    )


def _node(node: LineageNode, link: Link, marked: bool) -> Markup:
    candidate = node.candidate
    kind = f"shade{node.shade}" if node.shade is not None else "unscored"
    error = candidate.metrics.get("error")
    said = f"{error:.3f}" if error is not None else str(candidate.state)
    label = f"#{candidate.id} {said}, {candidate.name or candidate.operator}"
    box = Markup(
        '<g class="node {}{}" data-candidate="{}"><rect x="{}" y="{:.1f}" width="{}" height="{}" rx="4"/>'
        '<text x="{}" y="{:.1f}">{}</text><title>{}</title></g>'
    ).format(
        kind,
        " marked" if marked else "",
        candidate.id,
        node.x,
        node.y,
        WIDE,
        TALL,
        node.x + 6,
        node.y + 16,
        f"#{candidate.id} {said}",
        label,
    )
    target = link(candidate.id)
    if target is None:
        return box
    return Markup('<a href="{}" aria-label="{}">{}</a>').format(target, label, box)
