"""Every scored candidate as columns of numbers and names: what a picture of the whole population is drawn
from.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from evoarch.agent.analysis.overview import Overview
from evoarch.archive.filters import Filter
from evoarch.archive.store import Store

KINDS = 6
"""Kinds of layers that are traits of a model."""

_COLUMNS = ("id", "operator", "lm", "name", "depth", "seeds", "at")


def read_population(
    store: Store,
    overview: Overview,
    entered: Mapping[int, tuple[int, float]],
    chosen: Filter | None = None,
) -> dict[str, Any]:
    """The columns of `Browse.columns` over all metrics, for JSON, with:

    `at`, how many evaluations had been made when each was first scored (seeds 0); `front`, the ids of the
    elites; `spans`, by id the interval of the error of elites and seeds; `objectives`, `plotted` (upwards and
    to the right), and `total`, how many are scored whatever `chosen` says. `entered`: as `History` has it.
    """
    found = store.browse.columns(chosen or Filter(), store.browse.metrics())
    status = overview.status
    return {
        **found,
        "at": [entered.get(identity, (0, 0.0))[0] for identity in found["id"]],
        "front": list(status.elites),
        "spans": {
            str(each.id): [each.interval.low, each.interval.high]
            for each in (*status.front, *status.seeds)
            if each.interval
        },
        "objectives": list(overview.objectives),
        "plotted": list(overview.plotted),
        "total": store.browse.count(Filter(state="scored")),
    }


def read_tree(store: Store, population: Mapping[str, Any]) -> dict[str, Any]:
    """`population`, with `edges`: the places in its columns of each child and parent, one after the other."""
    place = {identity: at for at, identity in enumerate(population["id"])}
    edges = [
        end
        for child, parent in store.browse.descents()
        if child in place and parent in place
        for end in (place[child], place[parent])
    ]
    return {**population, "edges": edges}


def narrowed(population: Mapping[str, Any], most: int) -> dict[str, Any]:
    """`population` without all but the `most` of the lowest first objective, in the order of ids."""
    lead = population["metrics"][population["objectives"][0]]
    known = [at for at, value in enumerate(lead) if value is not None]
    kept = sorted(sorted(known, key=lambda at: lead[at])[:most])

    def of(column: list[Any]) -> list[Any]:
        return [column[at] for at in kept]

    columns = {name: of(population[name]) for name in _COLUMNS}
    metrics = {name: of(column) for name, column in population["metrics"].items()}
    return {**population, **columns, "metrics": metrics}


def traits_of(store: Store, ids: Sequence[int]) -> dict[str, list[int | None]]:
    """What the models of `ids` are made of, as columns: how many calls each makes, and of the KINDS most
    frequent kinds of layers how many; None where no trace is kept.
    """
    traces = store.traces.many(ids)
    counts = {i: Counter(str(node[1]) for node in trace["nodes"]) for i, trace in traces.items()}
    kinds = [kind for kind, _ in sum(counts.values(), Counter[str]()).most_common(KINDS)]
    found: dict[str, list[int | None]] = {"calls": [counts[i].total() if i in counts else None for i in ids]}
    for kind in kinds:
        found[kind] = [counts[i][kind] if i in counts else None for i in ids]
    return found if counts else {}
