"""Pareto arithmetic over rows of metrics, everything minimised, and the paper's scalar fitness.

Rows are metrics of scored candidates in order of id: ties go to the earlier row. A failed candidate has no
metrics, and a row without a value for an objective is refused, so it can stand on no front.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import moocore
import numpy as np
from numpy.typing import NDArray

from evoarch.archive.records import Candidate, State

Row = Mapping[str, float]
Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Objective:
    """A metric to minimise. `log`, for counts (elements, FLOPs): distances are of log10(max(value, 1))."""

    name: str
    log: bool = False


def measured(row: Row, objectives: Sequence[Objective]) -> bool:
    """Whether it has a value for each objective: one without is not to be compared by them."""
    return all(objective.name in row for objective in objectives)


def ranks(rows: Sequence[Row], objectives: Sequence[Objective]) -> list[int]:
    """Of each row: 0 where no other dominates it, else 1 + the largest rank of those that do."""
    if not rows:
        return []
    return [int(rank) for rank in moocore.pareto_rank(_matrix(rows, objectives))]


def front(rows: Sequence[Row], objectives: Sequence[Objective]) -> list[int]:
    """Places of the rows that no other dominates, in order. Equal rows do not dominate each other."""
    if not rows:
        return []
    keep = moocore.is_nondominated(_matrix(rows, objectives), keep_weakly=True)
    return [int(place) for place in np.flatnonzero(keep)]


def crowding(rows: Sequence[Row], objectives: Sequence[Objective]) -> list[float]:
    """Crowding distance (NSGA-II, Deb et al. 2002) of each row among those of its own rank.

    Each objective is scaled to its range over all rows. The ends of a rank are at infinity; of rows that are
    equal only the first has a distance, the others 0.
    """
    if not rows:
        return []
    points = _scaled(_matrix(rows, objectives), objectives)
    span = points.max(axis=0) - points.min(axis=0)
    points = (points - points.min(axis=0)) / np.where(span > 0, span, 1.0)
    rank = np.array(ranks(rows, objectives))
    distance = np.zeros(len(rows))
    for level in np.unique(rank):
        members = np.flatnonzero(rank == level)
        _, firsts = np.unique(points[members], axis=0, return_index=True)
        places = members[np.sort(firsts)]
        distance[places] = _distances(points[places])
    return [float(value) for value in distance]


def _distances(points: Matrix) -> Matrix:
    distance = np.zeros(len(points))
    for values in points.T:
        order = np.argsort(values, kind="stable")
        gaps = values[order[2:]] - values[order[:-2]]
        distance[order[1:-1]] += gaps
        distance[order[[0, -1]]] = np.inf
    return distance


def hypervolume(
    rows: Sequence[Row],
    objectives: Sequence[Objective],
    reference: Mapping[str, float],
    floor: Mapping[str, float] | None = None,
) -> float:
    """Volume that `rows` dominate below the point `reference` (in the objectives' own units).

    Objectives with `log` count in decades. Rows that are not below the reference in every objective add 0.
    What lies below `floor`, by name of an objective, is not counted.
    """
    if not rows:
        return 0.0
    limit = _scaled(_matrix([reference], objectives), objectives)[0]
    least = np.array([(floor or {}).get(objective.name, -np.inf) for objective in objectives])
    points = _scaled(np.maximum(_matrix(rows, objectives), least), objectives)
    return float(moocore.hypervolume(points, ref=limit))


def attained(
    fronts: Sequence[Sequence[Row]], objectives: Sequence[Objective], share: float = 50.0
) -> list[dict[str, float]]:
    """The points that at least `share` percent of the `fronts` attain, none of which dominates another:
    a contour of the empirical attainment function (Fonseca et al. 2011). Each front has at least one row.
    """
    points = np.vstack([_matrix(rows, objectives) for rows in fronts])
    runs = [number for number, rows in enumerate(fronts, 1) for _ in rows]
    found = moocore.eaf(points, runs, percentiles=[share])
    names = [objective.name for objective in objectives]
    return [dict(zip(names, map(float, row[:-1]), strict=True)) for row in found]


def fitness(metrics: Row) -> float:
    """The paper's scalar, to be maximised: -(params x error) (EvoPrompting, section 3)."""
    return -(metrics["params"] * metrics["error"])


def best(candidates: Sequence[Candidate]) -> Candidate | None:
    """The scored candidate of the highest fitness, of equals the lowest id; None where none is scored."""
    scored = [candidate for candidate in candidates if candidate.state is State.SCORED]
    return min(scored, key=lambda candidate: (-fitness(candidate.metrics), candidate.id), default=None)


def _matrix(rows: Sequence[Row], objectives: Sequence[Objective]) -> Matrix:
    names = [objective.name for objective in objectives]
    matrix = np.array([[row.get(name, np.nan) for name in names] for row in rows], dtype=np.float64)
    if not np.isfinite(matrix).all():
        place, column = np.argwhere(~np.isfinite(matrix))[0]
        got = rows[place].get(names[column], "none")
        raise ValueError(f"row {place}: objective {names[column]}: expected a finite value, got {got}")
    return matrix


def _scaled(points: Matrix, objectives: Sequence[Objective]) -> Matrix:
    log = np.array([objective.log for objective in objectives])
    return np.where(log, np.log10(np.maximum(points, 1.0)), points)
