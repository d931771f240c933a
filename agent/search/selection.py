"""Who becomes a parent, and what the prompt asks for: pure functions of the scored and a stream."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from evoarch.agent.base.ordering import NOBODY, Steering
from evoarch.agent.config.tables import SelectionTable
from evoarch.agent.statistics.objectives import objectives
from evoarch.archive.pareto import crowding, fitness, measured, ranks
from evoarch.archive.records import Candidate


def select(
    view: Sequence[Candidate],
    count: int,
    rng: random.Random,
    table: SelectionTable,
    steering: Steering = NOBODY,
) -> list[Candidate]:
    """`count` parents from the scored candidates in `view`, different ones where there are enough.

    A pinned candidate stands with the first front, or beside the survivors. Where the objectives decide, one
    without a value for each is no parent.
    """
    view = [candidate for candidate in view if candidate.id not in steering.vetoed]
    if table.method == "scalar":
        ordered = sorted(view, key=lambda c: (-fitness(c.metrics), c.id))
        pool = [c for place, c in enumerate(ordered) if place < table.survivors or c.id in steering.pinned]
        return rng.sample(pool, min(count, len(pool)))
    if table.method in ("uniform", "seeds"):
        everyone = table.method == "uniform"
        pool = [c for c in view if everyone or c.operator == "seed" or c.id in steering.pinned]
        return rng.sample(pool, min(count, len(pool)))
    goals = objectives(table)
    view = [candidate for candidate in view if measured(candidate.metrics, goals)]
    rows = [candidate.metrics for candidate in view]
    rank, spread = ranks(rows, goals), crowding(rows, goals)
    rank = [0 if c.id in steering.pinned else r for c, r in zip(view, rank, strict=True)]
    order = sorted(range(len(view)), key=lambda i: (rank[i], -spread[i], view[i].id))
    chosen: list[int] = []
    while len(chosen) < min(count, len(view)):
        left = [place for place in range(len(order)) if place not in chosen]
        # A binary tournament: the lower place in the order by rank and crowding wins.
        chosen.append(min(rng.choice(left), rng.choice(left)))
    return [view[order[place]] for place in chosen]


def targets(parents: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The metrics to ask for: 0.9 x the smallest size, to the nearest 100, and 1.02 x the best accuracy, to
    the nearest 0.1% (EvoPrompting, section 4.1), held below 100%.
    """
    size = min(metrics["params"] for metrics in parents)
    accuracy = 1.0 - min(metrics["error"] for metrics in parents)
    return {
        "params": max(100.0, round(0.9 * size / 100) * 100.0),
        "error": round(max(0.0, 1.0 - 1.02 * accuracy), 3),
    }
