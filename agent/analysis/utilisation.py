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


def idle_of(events: Iterable[Event]) -> Idle | None:
    """The idle share over all runs, from the archive's slot events; None while no run has begun two children.

    A run's steady state lies between the starts of its first and its last bred child: before it the seeds are
    trained, after it the slots run empty.
    """
    available = busy = 0.0
    for slots, spells, starts in _runs(events):
        if len(starts) < 2:
            continue
        first, last = starts[0], starts[-1]
        available += slots * (last - first)
        busy += sum(max(0.0, min(end, last) - max(start, first)) for start, end in spells)
    return Idle(available, busy, max(0.0, 1.0 - busy / available)) if available > 0 else None


def _runs(events: Iterable[Event]) -> Iterable[tuple[int, list[tuple[float, float]], list[float]]]:
    """Of each run: its slots, when each was taken and left (never: at infinity), and when children began."""
    slots, taken = 0, dict[int, float]()
    spells, starts = list[tuple[float, float]](), list[float]()
    for event in events:
        if event.kind == "run":
            yield slots, spells + [(start, float("inf")) for start in taken.values()], starts
            slots, taken = int(str(event.detail.get("workers", 1))), {}
            spells, starts = [], []
        elif event.kind == "started" and event.candidate is not None:
            taken[event.candidate] = event.time
            starts.append(event.time)
        elif event.candidate in taken:
            spells.append((taken.pop(event.candidate), event.time))
    yield slots, spells + [(start, float("inf")) for start in taken.values()], starts


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
