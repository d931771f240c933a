"""What a campaign is doing at this moment: who is in training, what waits, and how long the rest may take."""

from __future__ import annotations

import time
from dataclasses import dataclass

from evoarch.agent.analysis.status import Status
from evoarch.archive.records import State
from evoarch.archive.store import Store


@dataclass(frozen=True)
class UnderWay:
    """A candidate that is in training, or in its dry run, since `seconds`. `rung`: the last one that it has
    passed, "" before the first.
    """

    candidate: int
    operator: str
    parents: tuple[int, ...]
    rung: str
    seconds: float

    @property
    def words(self) -> str:
        """In one line, without the candidate's number."""
        of = f" of {', '.join(f'#{parent}' for parent in self.parents)}" if self.parents else ""
        rung = f", past rung {self.rung}" if self.rung else ""
        return f"{self.operator}{of}{rung}, {self.seconds:.0f} s"


def under_way(store: Store, now: float | None = None) -> list[UnderWay]:
    """The candidates that run, by id. `now`: seconds since 1970, the clock's where none is given."""
    now = time.time() if now is None else now
    found = []
    for candidate in store.candidates(state=State.RUNNING, sources=False):
        started = store.events(kind="started", candidate=candidate.id)
        rungs = store.events(kind="rung", candidate=candidate.id)
        found.append(
            UnderWay(
                candidate.id,
                candidate.name or candidate.operator,
                candidate.parents,
                str(rungs[-1].detail.get("rung", "")) if rungs else "",
                max(0.0, now - started[-1].time) if started else 0.0,
            )
        )
    return found


def phase(status: Status) -> str:
    """What the search is at: its seeds, its children, the trainings after them, or nothing."""
    if status.state != "running":
        return status.state
    unscored = sum(seed.state in ("queued", "running") for seed in status.seeds)
    if unscored:
        return f"training seeds, {len(status.seeds) - unscored} of {len(status.seeds)} done"
    if status.evaluations < status.budget:
        return f"training children, {status.evaluations:,} of at most {status.budget:,} done"
    return f"training the front and the seeds again{_repeats(status)}"


def _repeats(status: Status) -> str:
    total = status.repeats + status.repeats_due
    return f", {status.repeats} of about {total} done" if total else ""


def in_words(status: Status) -> list[str]:
    """Phase, who waits for a person, further trainings and the time left, a sentence each."""
    said = [f"{phase(status).capitalize()}."]
    if status.waiting:
        said.append(f"{status.waiting} wait for review.")
    if status.repeats or status.repeats_due:
        total = status.repeats + status.repeats_due
        said.append(f"Further trainings of the front and the seeds: {status.repeats} of about {total}.")
    if status.state == "running" and status.evaluations and status.elapsed_s:
        children = (status.budget - status.evaluations) * status.elapsed_s / status.evaluations
        minutes = (max(0.0, children) + status.repeats_s) / 60
        said.append(f"About {minutes:.0f} minutes left at the rate so far, further trainings included.")
    return said


def last_event_in_words(store: Store, now: float | None = None) -> str:
    """What the diary says last, of whom and how long ago; "" while it is empty."""
    event = store.last_event()
    if event is None:
        return ""
    now = time.time() if now is None else now
    of = f" #{event.candidate}" if event.candidate else ""
    return f"{event.kind.replace('_', ' ')}{of}, {max(0.0, now - event.time):.0f} s ago"
