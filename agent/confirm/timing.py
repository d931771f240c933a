"""How long confirmed models take to answer, as ratios to one baseline's: measured once, kept in the diary."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict

from evoarch.agent.config.load import Config
from evoarch.agent.evaluation.constraints import reference_of
from evoarch.archive.records import Candidate, Failed
from evoarch.archive.store import Store
from evoarch.evaluators.latency import Latency, Timing

TIMED = "confirm.timed"
"""Kind of the event: a Latency."""


def reference(config: Config, candidates: Sequence[Candidate]) -> Candidate | None:
    """The baseline whose latency is 1: the campaign's reference, else the first. None where there is none."""
    seeds = [candidate for candidate in candidates if candidate.operator == "seed"]
    name = reference_of(config)
    return next((seed for seed in seeds if seed.name == name), seeds[0] if seeds else None)


def timed(store: Store, candidate: int) -> Latency | None:
    """What was measured of a candidate."""
    for event in store.events(kind=TIMED, candidate=candidate):
        return Latency(**event.detail)  # type: ignore[arg-type]  # written by `time_all`
    return None


async def time_all(
    store: Store,
    timing: Timing,
    against: Candidate,
    candidates: Sequence[Candidate],
    say: Callable[[str], None],
) -> None:
    """Those that were not timed before. Of one that can't be timed it is said."""
    for candidate in candidates:
        if timed(store, candidate.id):
            continue
        found: Latency | Failed = Latency(1.0, 1.0, 1.0, 0)
        if candidate.id != against.id:
            found = await timing.latency(candidate.source, against.source)
        if isinstance(found, Failed):
            say(f"candidate {candidate.id}: {found.reason}")
            continue
        store.event(TIMED, candidate.id, asdict(found))
        say(f"timed: candidate {candidate.id}, {found.ratio:.2f} x the latency of {against.name}")
