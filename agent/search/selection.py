"""Who becomes a parent, and what the prompt asks for: pure functions of the scored and a stream."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Protocol

from evoarch.agent.base.errors import UserError
from evoarch.agent.base.ordering import NOBODY, Steering
from evoarch.agent.config.tables import SelectionTable
from evoarch.agent.statistics.objectives import SIZES, Region, objectives, region_of
from evoarch.archive.pareto import Objective, crowding, fitness, measured, ranks
from evoarch.archive.records import Candidate
from evoarch.evaluators.errors import PartError
from evoarch.evaluators.own_code import SELECTION, Found, find, said


class SelectionMethod(Protocol):
    """Chooses parents: a function of the candidates, the number wanted, randomness, and the settings."""

    def __call__(
        self,
        candidates: Sequence[Candidate],
        count: int,
        rng: random.Random,
        table: SelectionTable,
        pinned: Collection[int],
    ) -> list[Candidate]:
        """At most `count` of the scored `candidates` (in order of id, none that a person vetoed), different
        ones; `pinned` are the ids that a person wants as parents.
        """
        ...


FEW = 4
"""With fewer candidates than this in the region of the campaign, the nearest ones are parents too."""

METHODS: dict[str, SelectionMethod] = {}
"""The built-in methods by name (agent.config.tables.METHODS)."""


def method(name: str) -> Callable[[SelectionMethod], SelectionMethod]:
    """Decorator: makes a built-in method known by `name`."""

    def known(function: SelectionMethod) -> SelectionMethod:
        METHODS[name] = function
        return function

    return known


@method("pareto")
def by_rank(
    candidates: Sequence[Candidate],
    count: int,
    rng: random.Random,
    table: SelectionTable,
    pinned: Collection[int],
) -> list[Candidate]:
    """Binary tournaments by Pareto rank, then crowding (Deb et al. 2002, NSGA-II, III.C). Pinned candidates
    stand with the first front; one without a value for each objective is no parent.
    """
    order = [candidate for _, candidate in _ordered(candidates, table, pinned)]
    chosen: list[int] = []
    while len(chosen) < min(count, len(order)):
        left = [place for place in range(len(order)) if place not in chosen]
        # A binary tournament: the lower place in the order by rank and crowding wins.
        chosen.append(min(rng.choice(left), rng.choice(left)))
    return [order[place] for place in chosen]


def _ordered(
    candidates: Sequence[Candidate], table: SelectionTable, pinned: Collection[int]
) -> list[tuple[int, Candidate]]:
    """Those with a value for each objective, with their ranks: by rank, then crowding, then id."""
    goals = objectives(table)
    view = [candidate for candidate in candidates if measured(candidate.metrics, goals)]
    values = tuple([tuple([candidate.metrics[goal.name] for goal in goals]) for candidate in view])
    rank, spread = _places(values, tuple(goals))
    rank = [0 if c.id in pinned else r for c, r in zip(view, rank, strict=True)]
    order = sorted(range(len(view)), key=lambda i: (rank[i], -spread[i], view[i].id))
    return [(rank[place], view[place]) for place in order]


@lru_cache(maxsize=2)
def _places(
    values: tuple[tuple[float, ...], ...], goals: tuple[Objective, ...]
) -> tuple[Sequence[int], Sequence[float]]:
    """The rank and the crowding distance of each. Several draws in a row are from the same candidates."""
    names = [goal.name for goal in goals]
    rows = [dict(zip(names, each, strict=True)) for each in values]
    return ranks(rows, goals), crowding(rows, goals)


NEAR = 2
"""The last Pareto rank that is near enough to the front for `strata`."""

STRATA = 3
"""Classes of size in a decade."""


@method("strata")
def by_strata(
    candidates: Sequence[Candidate],
    count: int,
    rng: random.Random,
    table: SelectionTable,
    pinned: Collection[int],
) -> list[Candidate]:
    """One class of size after another by lot, each as likely as another; in it a binary tournament by Pareto
    rank, then crowding, among those of rank NEAR at most. The size is the first one among the objectives, or
    else the parameters.
    """
    size = next((name for name in table.objectives if name in SIZES), "params")
    classes: dict[int, list[Candidate]] = {}
    for rank, candidate in _ordered(candidates, table, pinned):
        if rank <= NEAR and size in candidate.metrics:
            stratum = math.floor(STRATA * math.log10(max(1.0, candidate.metrics[size])))
            classes.setdefault(stratum, []).append(candidate)
    chosen: list[Candidate] = []
    while len(chosen) < count and classes:
        stratum = rng.choice(sorted(classes))
        members = classes[stratum]
        chosen.append(members.pop(min(rng.randrange(len(members)), rng.randrange(len(members)))))
        if not members:
            del classes[stratum]
    return chosen


@method("scalar")
def by_fitness(
    candidates: Sequence[Candidate],
    count: int,
    rng: random.Random,
    table: SelectionTable,
    pinned: Collection[int],
) -> list[Candidate]:
    """Uniform from the pinned and the `survivors` of largest -(params x error) (EvoPrompting, section 3)."""
    ordered = sorted(candidates, key=lambda c: (-fitness(c.metrics), c.id))
    return _drawn(
        [c for place, c in enumerate(ordered) if place < table.survivors or c.id in pinned], count, rng
    )


@method("uniform")
def uniformly(
    candidates: Sequence[Candidate],
    count: int,
    rng: random.Random,
    table: SelectionTable,
    pinned: Collection[int],
) -> list[Candidate]:
    """Uniform from all."""
    return _drawn(candidates, count, rng)


@method("seeds")
def seeds_alone(
    candidates: Sequence[Candidate],
    count: int,
    rng: random.Random,
    table: SelectionTable,
    pinned: Collection[int],
) -> list[Candidate]:
    """Uniform from the seeds and the pinned."""
    return _drawn([c for c in candidates if c.operator == "seed" or c.id in pinned], count, rng)


def select(
    view: Sequence[Candidate],
    count: int,
    rng: random.Random,
    table: SelectionTable,
    steering: Steering = NOBODY,
    own: SelectionMethod | None = None,
) -> list[Candidate]:
    """`count` parents from the scored candidates in `view`, different ones where there are enough, by the
    table's method, or by a user's `own`: from the table's region, and with fewer than FEW there the nearest.
    """
    candidates = [candidate for candidate in view if candidate.id not in steering.vetoed]
    candidates = _in_region(candidates, max(FEW, count), region_of(table), steering.pinned)
    return (own or METHODS[table.method])(candidates, count, rng, table, steering.pinned)


def _in_region(
    candidates: list[Candidate], few: int, region: Region, pinned: Collection[int]
) -> list[Candidate]:
    if not region.limits:
        return candidates
    far = {candidate.id: region.distance(candidate.metrics) for candidate in candidates}
    nearest = sorted(far, key=lambda identity: (far[identity], identity))[:few]
    kept = {identity for identity, distance in far.items() if not distance} | {*nearest, *pinned}
    return [candidate for candidate in candidates if candidate.id in kept]


@dataclass(frozen=True)
class OwnMethod:
    """A user's selection method, whose choice is looked over."""

    function: SelectionMethod
    found: Found

    def __call__(
        self,
        candidates: Sequence[Candidate],
        count: int,
        rng: random.Random,
        table: SelectionTable,
        pinned: Collection[int],
    ) -> list[Candidate]:
        """What the user's method chooses. Raises UserError where that is none of the candidates."""
        try:
            chosen: object = self.function(candidates, count, rng, table, pinned)
        except Exception as error:  # noqa: BLE001 - a user's own code may raise anything, and is named
            raise UserError(
                f"selection.method: {self.found.place}: {said(error, self.found.path)}", code=1
            ) from None
        known = {candidate.id for candidate in candidates}
        ids = [getattr(each, "id", None) for each in chosen] if isinstance(chosen, list | tuple) else [None]
        if not known.issuperset(ids) or len(ids) > count or len(set(ids)) < len(ids):
            raise UserError(
                f"selection.method: {self.found.place}: expected a list of at most {count} different "
                f"candidates of those that it was given, got {chosen!r:.200}",
                code=1,
            )
        return list(chosen)  # type: ignore[call-overload,no-any-return]


def own_method(table: SelectionTable, folder: Path) -> SelectionMethod | None:
    """The user's selection method, None where the table names a built-in one. Raises UserError."""
    try:
        found = find(SELECTION, table.method, METHODS, folder)
    except PartError as error:
        raise UserError(f"selection.method: {error}") from None
    if not found.own:
        return None
    if not callable(found.value) or isinstance(found.value, type):
        raise UserError(f"selection.method: {found.place}: expected a function, got {found.value!r:.200}")
    return OwnMethod(found.value, found)


def targets(
    parents: Sequence[Mapping[str, float]], names: Sequence[str] = ("params", "error")
) -> dict[str, float]:
    """The values of the metrics `names` to ask for.

    Of the parameters 0.9 x the smallest, to the nearest 100; of the error 1.02 x the best accuracy, to the
    nearest 0.1% (EvoPrompting, section 4.1), held below 100%; of any other metric 0.9 x the smallest.
    """
    # In the archive parameters and error stand first, as they always did.
    ordered = [*(name for name in ("params", "error") if name in names), *names]
    best = {
        name: min(row[name] for row in parents) for name in ordered if all(name in row for row in parents)
    }
    asked = {name: 0.9 * value for name, value in best.items()}
    if "params" in best:
        asked["params"] = max(100.0, round(0.9 * best["params"] / 100) * 100.0)
    if "error" in best:
        asked["error"] = round(max(0.0, 1.0 - 1.02 * (1.0 - best["error"])), 3)
    return asked


def _drawn(pool: Sequence[Candidate], count: int, rng: random.Random) -> list[Candidate]:
    return rng.sample(pool, min(count, len(pool)))
