"""What the archive has for a tracker, and how far each one has been told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from evoarch.agent.analysis.status import TRACK
from evoarch.agent.config.load import Config
from evoarch.agent.statistics.noise import read_noise
from evoarch.agent.tracking.base import Item
from evoarch.archive.records import Candidate, State
from evoarch.archive.store import Store

JUDGED = (State.SCORED, State.FAILED, State.STOPPED)


@dataclass(frozen=True)
class Told:
    """How far a tracker has been told: the id of its `run`, the last `event` that it knows of, and why the
    last attempt `failed` ("": it did not).
    """

    run: str = ""
    event: int = 0
    failed: str = ""


def told(store: Store, tracker: str) -> Told:
    """What the archive has noted of a tracker."""
    found = store.facts().get(TRACK + tracker)
    return Told(**found) if isinstance(found, dict) else Told()


def note(store: Store, tracker: str, now: Told) -> None:
    """Notes in the archive how far a tracker has been told."""
    store.keep(TRACK + tracker, asdict(now))


def items(store: Store, config: Config, after: int) -> tuple[int, Iterator[Item]]:
    """The newest event, and each candidate that was judged, or judged again, behind event `after`, by id."""
    newest, touched = store.touched(after)
    return newest, _items(store, config, touched)


def _items(store: Store, config: Config, touched: list[int]) -> Iterator[Item]:
    noise = read_noise(store)
    scored = iter(store.scored(sources=False))
    upcoming, best = next(scored, None), dict[str, float]()
    for identity in touched:
        candidate = store.candidate(identity)
        while upcoming is not None and upcoming.id <= identity:
            best = _lower(best, upcoming, config)
            upcoming = next(scored, None)
        if candidate.state not in JUDGED:
            continue
        metrics = dict(candidate.metrics)
        if metrics:
            metrics["seeds"] = candidate.seeds
        if interval := noise.interval(metrics.get("error"), candidate.seeds):
            metrics |= {"error_low": interval.low, "error_high": interval.high}
        yield Item(candidate, metrics, _curve(store, identity), best)


def _lower(best: Mapping[str, float], candidate: Candidate, config: Config) -> dict[str, float]:
    found = dict(best)
    for name in config.selection.objectives:
        value = candidate.metrics.get(name)
        if value is not None:
            found[name] = min(value, found.get(name, value))
    return found


def _curve(store: Store, candidate: int) -> list[float]:
    """Of the last training that noted one."""
    for evaluation in reversed(store.evaluations(candidate)):
        found: Any = evaluation.detail.get("curve")
        if found:
            return [float(loss) for loss in found]
    return []
