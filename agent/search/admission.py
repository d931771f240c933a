"""A child as it arrives: rejected, a duplicate, or let in to be graded."""

from __future__ import annotations

from evoarch.agent.base.ordering import Turns
from evoarch.agent.search.variation import Bred
from evoarch.archive.records import Candidate
from evoarch.archive.store import Store


def admit(store: Store, turns: Turns, bred: Bred) -> Candidate | None:
    """Records what arrived; the candidate to grade, None where there is nothing to grade."""
    identity = bred.proposal.candidate
    if bred.problem:
        store.reject(identity, bred.source, bred.problem, change=bred.change, parsed=bred.parsed)
    elif (first := store.find_source(bred.digest, exclude=identity)) is not None:
        store.duplicate(
            identity, of=first, source=bred.source, source_digest=bred.digest, reason="same source"
        )
    else:
        store.arrive(identity, bred.source, bred.digest, bred.change)
        turns.done(("admitted", identity))
        return store.candidate(identity)
    turns.done(("admitted", identity))
    return None
