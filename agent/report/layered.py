"""Layered drawings of graphs whose edges cross no box (Sugiyama, Tagawa and Toda 1981).

Nodes stand in columns, edges lead to the right. An edge that passes columns runs through a lane of its own in
each of them, which has a place among the nodes there. Edges of one source share a lane. Between columns there
are no boxes, so that a curve there crosses none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean

SWEEPS = 6
"""Passes over the columns, to the right and back, that put neighbours beside each other."""

Item = tuple[int, int | None]
"""A node (its id, None), or the lane of a source in a column (its id, the column)."""


@dataclass(frozen=True)
class Layered:
    """Heights of what stands in the columns.

    `columns`: the column of each node. `centres`: the middle of each node, `lanes`: the middle of the lane of
    (source, column); from 0 to `height`.
    """

    columns: Mapping[int, int]
    centres: Mapping[int, float]
    lanes: Mapping[tuple[int, int], float]
    height: float

    def route(self, source: int, target: int) -> list[tuple[int, float]]:
        """(column, height) of what an edge passes, from its source to its target."""
        first, last = self.columns[source], self.columns[target]
        passed = [(column, self.lanes[source, column]) for column in range(first + 1, last)]
        return [(first, self.centres[source]), *passed, (last, self.centres[target])]


def layered(
    columns: Mapping[int, int], edges: Iterable[tuple[int, int]], *, row: float, lane: float
) -> Layered:
    """Heights for nodes in their `columns`. Each edge leads to a higher column.

    `row` and `lane`: how much height a node and a lane take.
    """
    drawn = list(dict.fromkeys(edges))
    passed = {
        (source, column): None for source, end in drawn for column in range(columns[source] + 1, columns[end])
    }
    items: list[list[Item]] = [[] for _ in range(max(columns.values(), default=-1) + 1)]
    for node in columns:
        items[columns[node]].append((node, None))
    for source, column in passed:
        items[column].append((source, column))
    before, after = _neighbours(columns, drawn)
    for sweep in range(SWEEPS):
        _sort(items, before if sweep % 2 == 0 else after, back=sweep % 2 == 1)
    heights = _heights(items, before, after, row, lane)
    return Layered(
        columns,
        {node: heights[node, None] for node in columns},
        {(source, column): heights[source, column] for source, column in passed},
        max((height + _size(item, row, lane) / 2 for item, height in heights.items()), default=0.0),
    )


def _neighbours(
    columns: Mapping[int, int], edges: Sequence[tuple[int, int]]
) -> tuple[dict[Item, list[Item]], dict[Item, list[Item]]]:
    """Of each item what it is joined with in the column before, and in the one after."""
    before: dict[Item, list[Item]] = {}
    after: dict[Item, list[Item]] = {}
    for source, end in edges:
        way: list[Item] = [
            (source, None),
            *((source, column) for column in range(columns[source] + 1, columns[end])),
            (end, None),
        ]
        for one, other in pairwise(way):
            if one not in before.setdefault(other, []):
                before[other].append(one)
                after.setdefault(one, []).append(other)
    return before, after


def _sort(items: list[list[Item]], joined: Mapping[Item, Sequence[Item]], *, back: bool) -> None:
    """Puts the items of each column in the order of the means of their neighbours (barycentres)."""
    order = range(len(items) - 1, -1, -1) if back else range(len(items))
    place: dict[Item, float] = {}
    for column in order:
        wishes: dict[Item, float] = {}
        for position, item in enumerate(items[column]):
            known = [place[other] for other in joined.get(item, ()) if other in place]
            wishes[item] = fmean(known) if known else position / len(items[column])
        items[column].sort(key=wishes.__getitem__)
        place |= {item: (at + 0.5) / len(items[column]) for at, item in enumerate(items[column])}


def _size(item: Item, row: float, lane: float) -> float:
    return row if item[1] is None else lane


def _heights(
    items: Sequence[Sequence[Item]],
    before: Mapping[Item, Sequence[Item]],
    after: Mapping[Item, Sequence[Item]],
    row: float,
    lane: float,
) -> dict[Item, float]:
    """Middles: as near to those of the neighbours as the order and the sizes in each column allow."""
    found: dict[Item, float] = {}
    for column in items:
        top = -sum(_size(item, row, lane) for item in column) / 2
        for item in column:
            found[item] = top + _size(item, row, lane) / 2
            top += _size(item, row, lane)
    for joined, order in ((before, items), (after, items[::-1]), (before, items)):
        for column in order:
            wishes = [
                fmean(found[other] for other in joined[item]) if joined.get(item) else found[item]
                for item in column
            ]
            found |= zip(column, _apart(wishes, [_size(item, row, lane) for item in column]), strict=True)
    least = min((height - _size(item, row, lane) / 2 for item, height in found.items()), default=0.0)
    return {item: height - least for item, height in found.items()}


def _apart(wishes: Sequence[float], sizes: Sequence[float]) -> list[float]:
    """The middles nearest to `wishes` (least squares) that keep the order and do not overlap.

    Without the room that the items before take, that is isotonic regression: pool adjacent violators.
    """
    room = [0.0]
    for one, other in pairwise(sizes):
        room.append(room[-1] + (one + other) / 2)
    pools: list[tuple[float, int]] = []
    for wish, taken in zip(wishes, room, strict=False):
        mean, count = wish - taken, 1
        while pools and pools[-1][0] > mean:
            other, many = pools.pop()
            mean, count = (mean * count + other * many) / (count + many), count + many
        pools.append((mean, count))
    free = [mean for mean, count in pools for _ in range(count)]
    return [mean + taken for mean, taken in zip(free, room, strict=False)]


def path(
    route: Sequence[tuple[int, float]], begin: Callable[[int], float], depth: float, *, upright: bool = False
) -> str:
    """The `d` of an SVG path along a route: straight inside a column, curved between two.

    `begin`: where a column begins; `depth`: that of its boxes. `upright`: columns are rows, from the top
    down.
    """

    def at(along: float, across: float) -> str:
        return f"{across:.1f} {along:g}" if upright else f"{along:g} {across:.1f}"

    here, across = begin(route[0][0]) + depth, route[0][1]
    drawn = f"M{at(here, across)}"
    for place, (column, height) in enumerate(route[1:], 2):
        there = begin(column)
        half = (here + there) / 2
        drawn += f"C{at(half, across)} {at(half, height)} {at(there, height)}"
        here, across = there, height
        if place < len(route):
            here += depth
            drawn += f"{'V' if upright else 'H'}{here:g}"
    return drawn
