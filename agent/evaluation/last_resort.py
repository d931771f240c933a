"""What this process itself raises while it handles one candidate: recorded there, and never the end of a run.

A child's numbers pass many libraries on this side of the wall. Whatever one of them makes of a number that
nobody thought of is a fault of ours: the candidate is graded again in the next run, and set aside when it
happens a second time, so that it can't stop every run.
"""

from __future__ import annotations

import traceback

from evoarch.archive.records import FULL, Evaluation, Failed, Fault, State
from evoarch.archive.relatives import OURS
from evoarch.archive.store import Store

STAGE = "evoarch"
"""The stage of such a failure."""

KIND = "broke"
"""Its event: `reason`, `traceback`, and whether the candidate was `set_aside`."""

MOST = 2
"""Failures of ours over one candidate after which it is set aside."""

DIED = "died"
"""The event of a candidate that was in work when a run died: killed, or of something that no handler sees."""

MOST_DEATHS = 4
"""Runs that may die while one candidate is in work. Then it is set aside: it may be what they die of."""

_LONGEST = 20_000


def broke(store: Store, candidate: int) -> bool:
    """Whether this process failed over the candidate before."""
    return bool(store.events(kind=KIND, candidate=candidate))


def note(store: Store, candidate: int, error: Exception, *, set_aside: bool = False) -> str:
    """Writes the failure into the diary; the reason in one line. Raises ArchiveError."""
    message = " ".join(str(error).split())[:300]
    reason = f"{OURS} while handling it: {type(error).__name__}: {message}"
    text = "".join(traceback.format_exception(error))[-_LONGEST:]
    store.event(KIND, candidate, {"reason": reason, "traceback": text, "set_aside": set_aside})
    return reason


def record(store: Store, candidate: int, kind: str, error: Exception, seed: int = 0) -> None:
    """Settles a candidate that this process failed over; `kind` and `seed` are those of its evaluation.

    Raises ArchiveError.
    """
    aside = 1 + len(store.events(kind=KIND, candidate=candidate)) >= MOST
    with store.transaction():
        outcome = Failed(STAGE, note(store, candidate, error, set_aside=aside), Fault.INFRASTRUCTURE)
        store.settle(Evaluation(candidate, FULL, seed, outcome, 0.0, 0.0, kind=kind), set_aside=aside)


def note_deaths(store: Store) -> None:
    """What is running as a run begins was in work when the last one died. Notes it, and sets aside what this
    happened to MOST_DEATHS times. Raises ArchiveError.
    """
    for candidate in store.candidates(state=State.RUNNING, sources=False):
        with store.transaction():
            store.event(DIED, candidate.id)
            if len(store.events(kind=DIED, candidate=candidate.id)) < MOST_DEATHS:
                continue
            reason = f"{MOST_DEATHS} runs died while it was in work; it is not taken up again"
            kind = "seed" if candidate.operator == "seed" else "search"
            outcome = Failed(STAGE, reason, Fault.INFRASTRUCTURE)
            store.settle(Evaluation(candidate.id, FULL, 0, outcome, 0.0, 0.0, kind=kind), set_aside=True)
