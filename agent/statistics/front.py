"""Who stands on the front: ranked by the pessimistic end of the error's interval, with seeds enough."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from evoarch.agent.config.load import Config
from evoarch.agent.statistics.noise import Noise, read_noise
from evoarch.agent.statistics.objectives import objectives
from evoarch.archive.lock import is_locked
from evoarch.archive.pareto import Objective, front
from evoarch.archive.records import Candidate
from evoarch.archive.store import Store

Placed = tuple[int, tuple[float, ...], int]
"""A candidate's id, the values of some metrics, and its training seeds."""


@dataclass(frozen=True)
class Elites:
    """A front, as places in the rows it was taken from.

    `places`: of those on the front; `eligible`: of those that could be on it. `provisional`: somebody on it
    has fewer training seeds than an elite needs, so it can still change.
    """

    places: Sequence[int]
    eligible: Sequence[int]
    provisional: bool


def front_of(
    rows: Sequence[Mapping[str, float]],
    seeds: Sequence[int],
    goals: Sequence[Objective],
    noise: Noise,
    *,
    needed: int,
    final: bool,
) -> Elites:
    """The Pareto front of `rows`, with the upper bound of the error's interval in the place of the error.

    `rows` hold metrics by name, `seeds` the number of training seeds of each row. `final`: the search is
    over; then a row with fewer than `needed` training seeds is no elite, unless no row has as many.
    """
    enough = [place for place, count in enumerate(seeds) if count >= needed]
    eligible = enough if final and enough else range(len(rows))
    chosen, counts = [rows[place] for place in eligible], [seeds[place] for place in eligible]
    held = pessimistic(chosen, counts, goals, noise)
    places = [eligible[i] for i in front(held, goals)]
    return Elites(places, eligible, any(seeds[place] < needed for place in places))


def knee(rows: Sequence[Mapping[str, float]], goals: Sequence[Objective]) -> int | None:
    """The place of the row of a front that is nearest to the best of each objective at once (Zeleny 1973).

    Distances are Euclidean, each objective scaled to its range over the front, sizes in decades. None for
    fewer than three rows or two objectives: then every row is an end.
    """
    if len(rows) < 3 or len(goals) < 2:
        return None
    squares = [0.0] * len(rows)
    for goal in goals:
        values = [math.log10(max(row[goal.name], 1.0)) if goal.log else row[goal.name] for row in rows]
        low, span = min(values), max(values) - min(values)
        squares = [
            sum_ + ((v - low) / span if span else 0.0) ** 2 for sum_, v in zip(squares, values, strict=True)
        ]
    return squares.index(min(squares))


def pessimistic(
    rows: Sequence[Mapping[str, float]], seeds: Sequence[int], goals: Sequence[Objective], noise: Noise
) -> Sequence[Mapping[str, float]]:
    """`rows` with the error's upper bound in the place of the error, where that is an objective.

    With equal numbers of seeds nothing changes places, so that most rows are left as they are.
    """
    if len(set(seeds)) < 2 or all(goal.name != "error" for goal in goals):
        return rows
    bounds = noise.bound([row["error"] for row in rows], seeds).tolist()
    return [{**row, "error": bound} for row, bound in zip(rows, bounds, strict=True)]


@dataclass(frozen=True)
class Standing:
    """All scored candidates at one moment: `places` with the values of the metrics `names`, by id; the noise
    of their errors, and who of them stands on the front.
    """

    names: Sequence[str]
    places: Sequence[Placed]
    noise: Noise
    elites: Elites

    @property
    def ids(self) -> list[int]:
        """Of those on the front, in order."""
        return [self.places[place][0] for place in self.elites.places]

    def rows(self) -> list[dict[str, float]]:
        """The metrics of each by name."""
        return [dict(zip(self.names, values, strict=True)) for _, values, _ in self.places]

    def eligible(self, names: Sequence[str]) -> list[Placed]:
        """Those that could be on the front, with the values of `names`, some of its own."""
        wanted = [self.names.index(name) for name in names]
        chosen = (self.places[place] for place in self.elites.eligible)
        return [(identity, tuple(values[at] for at in wanted), seeds) for identity, values, seeds in chosen]


def read_standing(store: Store, config: Config) -> Standing:
    """The front as it is now, over error, params and all objectives."""
    goals = objectives(config.selection)
    names = sorted({"error", "params", *(goal.name for goal in goals)})
    # Numbers alone: an archive of many thousands is looked at twice a second.
    places, noise = store.browse.points(names), read_noise(store)
    standing = Standing(names, places, noise, Elites((), (), provisional=False))
    found = front_of(
        standing.rows(),
        [seeds for _, _, seeds in places],
        goals,
        noise,
        needed=config.evaluation.repeats,
        final=run_state(store)[0] == "complete",
    )
    return replace(standing, elites=found)


def elites(store: Store, config: Config) -> list[Candidate]:
    """The front as it is now, by id, without sources."""
    return store.browse.some(read_standing(store, config).ids)


def run_state(store: Store) -> tuple[str, str]:
    """A campaign's state, and the reason if one is known ("" if not).

    The state is `new`, `running`, `complete`, `stopped`, or `interrupted`: the last run recorded no end, as
    after a kill.
    """
    if is_locked(Path(store.folder)):
        return "running", ""
    last = store.last_event("run", "stop")
    if last is None:
        return "new", ""
    if last.kind == "run":
        return "interrupted", "the last run ended without recording why; `evoarch run` goes on from here"
    state = "complete" if last.detail.get("complete") else "stopped"
    return state, str(last.detail.get("reason", ""))
