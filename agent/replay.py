"""A replay follows the record of another run: its LM answers, and the order of its writes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from agent.plan import Span
from agent.selection import Steering
from agent.turns import RecordedTurns, Step
from archive.records import Event, LMCall
from archive.store import open_archive


def recorded_calls(folder: Path) -> Sequence[LMCall]:
    """The answered LM calls of the campaign in `folder`."""
    store = open_archive(folder, write=False)
    try:
        return [call for call in store.lm_calls() if call.state == "settled"]
    finally:
        store.close()


def recorded_turns(folder: Path) -> RecordedTurns:
    """The order of the campaign in `folder`, without what was under way when it ended."""
    store = open_archive(folder, write=False)
    try:
        proposals = store.proposals()
        spans = {
            p.batch: Span(*(int(str(p.context[k])) for k in ("slot", "count", "table"))) for p in proposals
        }
        steerings = {p.batch: Steering.from_json(p.context) for p in proposals}
        return RecordedTurns(steps_of(store.events()), spans, steerings)
    finally:
        store.close()


def steps_of(events: Sequence[Event]) -> list[Step]:
    """The steps that the events of a run were, in order, each once.

    A crash makes a candidate start again: its last admission and dry run count. It settles once; what
    settles after that are further training seeds, which no choice depends on.
    """
    order: dict[Step, int] = {}
    admitted: set[int] = set()
    settled: set[int] = set()
    for event in events:
        identity = event.candidate or 0
        if event.kind == "drawn":
            order[("drawn", int(str(event.detail["batch"])))] = event.id
        elif event.kind == "seeded":
            admitted.add(identity)
        elif event.kind == "arrived":
            admitted.add(identity)
            order[("admitted", identity)] = event.id
        elif event.kind == "rejected" or (event.kind == "duplicate" and identity not in admitted):
            settled.add(identity)
            order[("admitted", identity)] = event.id
        elif event.kind in ("fingerprinted", "repaired", "duplicate"):
            order[("sound", identity)] = event.id
            if event.kind == "duplicate":
                settled.add(identity)
        elif event.kind == "settled" and identity not in settled:
            settled.add(identity)
            order[("settled", identity)] = event.id
    kept = [step for step in order if step[0] == "drawn" or step[1] in settled]
    return sorted(kept, key=lambda step: order[step])
