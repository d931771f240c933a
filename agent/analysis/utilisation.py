"""What was used: the share of the evaluation slots' time that was idle, and what each success cost."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from evoarch.archive.records import Event


@dataclass(frozen=True)
class Idle:
    """`available` and `busy` are slot-seconds; `share` is the unused part of the first, 0..1."""

    available: float
    busy: float
    share: float


def idle_of(events: Iterable[Event], worked: Mapping[int, float] | None = None) -> Idle | None:
    """The idle share over all runs, from the archive's slot events; None while no run has begun two children.

    A run's steady state lies between the starts of its first and its last bred child: before it the seeds are
    trained, after it the slots run empty. `worked`: by candidate, the seconds by its slot's own clock:
    between a child's processes its slot does nothing, however long it is taken.
    """
    known = worked or {}
    available = busy = 0.0
    for slots, spells, starts in _runs(events):
        if len(starts) < 2:
            continue
        first, last = starts[0], starts[-1]
        available += slots * (last - first)
        for candidate, start, end in spells:
            within = max(0.0, min(end, last) - max(start, first))
            busy += min(within, known.get(candidate, within))
    return Idle(available, busy, max(0.0, 1.0 - busy / available)) if available > 0 else None


Spell = tuple[int, float, float]
"""A candidate, when it took a slot and when it left it (never: infinity)."""


def _runs(events: Iterable[Event]) -> Iterable[tuple[int, list[Spell], list[float]]]:
    """Of each run: its slots, who had them when, and when children began."""
    slots, taken = 0, dict[int, float]()
    spells, starts = list[Spell](), list[float]()

    def still_there() -> list[Spell]:
        return [(candidate, start, float("inf")) for candidate, start in taken.items()]

    for event in events:
        if event.kind == "run":
            yield slots, spells + still_there(), starts
            slots, taken = int(str(event.detail.get("workers", 1))), {}
            spells, starts = [], []
        elif event.kind == "started" and event.candidate is not None:
            taken[event.candidate] = event.time
            starts.append(event.time)
        elif event.candidate is not None and event.candidate in taken:
            spells.append((event.candidate, taken.pop(event.candidate), event.time))
    yield slots, spells + still_there(), starts


UNITS = ("cpu_s", "tokens", "money")
"""In which costs are counted: CPU seconds, LM tokens, and money in the unit of the config's prices."""

SUCCESSES = ("new", "improved")
"""What counts as a success."""

Costs = Mapping[str, Mapping[str, Mapping[str, float | None]]]
"""By operator (and `all` of them), by success, by unit; None where there was no success yet."""


def costs_of(yields: Mapping[str, Mapping[str, float]]) -> Costs:
    """What a success cost: the sum over all attempts, divided by the successes (cost-of-pass).

    `yields`: by operator, what `archive.yields` counts. `new`: a child that is valid and no duplicate;
    `improved`: one whose error x params is below that of each of its parents.
    """
    keys = (*SUCCESSES, *UNITS)
    whole = {key: sum(each[key] for each in yields.values()) for key in keys}
    return {
        name: {
            success: {unit: each[unit] / each[success] if each[success] else None for unit in UNITS}
            for success in SUCCESSES
        }
        for name, each in {**yields, "all": whole}.items()
    }
