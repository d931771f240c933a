"""What a replay needs of the run that it repeats: LM answers, and the order of writes."""

from __future__ import annotations

from collections.abc import Sequence, Set
from pathlib import Path

from evoarch.agent.base.errors import UserError
from evoarch.agent.base.ordering import Pick, RecordedOrder, Step
from evoarch.agent.base.proposal_context import ProposalContext
from evoarch.agent.config.lm import LMSettings
from evoarch.agent.evaluation.constraints import measured_in, parts_of
from evoarch.agent.lm.base import LM
from evoarch.agent.lm.replay import ReplayLM
from evoarch.agent.operators.syntactic.vocabulary import DRAWING, VERSION
from evoarch.archive.records import Evaluation, Event, Fault, LMCall
from evoarch.archive.store import Store, open_archive


def replayed(folder: Path, settings: LMSettings) -> LM:
    """A language model that answers as the one of `settings` did in the campaign in `folder`."""
    calls = [call for call in recorded_calls(folder) if call.model in (settings.name, settings.model)]
    return ReplayLM(calls, name=settings.name, chat=settings.chat)


def recorded_calls(folder: Path) -> Sequence[LMCall]:
    """The LM calls of the campaign in `folder`, those without an answer too."""
    store = open_archive(folder, write=False)
    try:
        return store.calls.all()
    finally:
        store.close()


def recorded_order(folder: Path) -> RecordedOrder:
    """The order of writes of the campaign in `folder`. Raises UserError where a seed came after the first
    draw, since a replay trains all seeds first, and where children were drawn from another layer vocabulary.
    """
    store = open_archive(folder, write=False)
    try:
        proposals = store.proposals()
        _refuse_other_vocabulary(folder, store, {p.operator for p in proposals})
        drawn = {p.batch: ProposalContext.from_json(p.context) for p in proposals}
        spans = {batch: context.span for batch, context in drawn.items()}
        steerings = {batch: context.steering for batch, context in drawn.items()}
        events = store.events()
        _refuse_late_seeds(events)
        steps, unfinished = steps_of(events)
        rejected = {event.candidate for event in events if event.kind == "rejected" and event.candidate}
        measures = _measures(store.evaluations())
        return RecordedOrder(steps, spans, steerings, unfinished, measures, rejected, picks_of(events))
    finally:
        store.close()


def _measures(evaluations: Sequence[Evaluation]) -> dict[int, list[dict[str, float]]]:
    """By candidate, what the machine showed in each part of its first training, in order."""
    found: dict[int, list[dict[str, float]]] = {}
    for each in parts_of(evaluations):
        found.setdefault(each.candidate, []).append(measured_in(each))
    return found


def _refuse_other_vocabulary(folder: Path, store: Store, operators: Set[str]) -> None:
    """The same randomness draws other children from another vocabulary. An archive without a number of one
    had the first.
    """
    drawing = sorted(operators & DRAWING)
    session = store.last_event_detail("session")
    was = session.get("vocabulary", 1)
    if drawing and session and was != VERSION:
        made = dict(session.get("versions", {})).get("evoarch", "of unknown version")  # type: ignore[call-overload]
        raise UserError(
            f"replay: {folder}: {', '.join(drawing)} drew from layer vocabulary {was} (evoarch {made}); "
            f"expected {VERSION}, which this evoarch draws from; replay it with the one that made it",
            code=1,
        )


def _refuse_late_seeds(events: Sequence[Event]) -> None:
    """A replay trains all seeds first, so that no draw may come before one of them."""
    drawn = False
    pending: dict[int, str] = {}
    for event in events:
        drawn = drawn or event.kind == "drawn"
        identity = event.candidate or 0
        late = event.kind == "seeded" or (identity in pending and _outcome(event))
        if event.kind == "seeded":
            pending[identity] = str(event.detail.get("name"))
        if late and drawn:
            raise UserError(
                f"replay: seed {pending[identity]} came after the first draw; expected all seeds before it",
                code=1,
            )
        if _outcome(event):
            pending.pop(identity, None)


def _outcome(event: Event) -> bool:
    """Whether its candidate comes to an outcome; what the infrastructure lost is made again."""
    lost = event.detail.get("fault") == Fault.INFRASTRUCTURE
    stopped = event.kind == "rung" and bool(event.detail.get("stopped"))
    return event.kind in ("rejected", "duplicate") or stopped or (event.kind == "settled" and not lost)


def picks_of(events: Sequence[Event]) -> dict[int, Pick]:
    """By slot, what was picked for it."""
    return {
        int(str(event.detail["slot"])): Pick(event.candidate, tuple(sorted(_ids(event, "guests"))))
        for event in events
        if event.kind == "picked"
    }


def _ids(event: Event, key: str) -> set[int]:
    found = event.detail.get(key, ())
    assert isinstance(found, Sequence)
    return {int(each) for each in found}


def steps_of(events: Sequence[Event]) -> tuple[list[Step], set[int]]:
    """The steps of a run in order, each once; and the ids of admitted candidates that have no outcome.

    After a crash a candidate starts again: its first dry run counts. Only its first outcome counts, since
    what settles later are further training seeds, which no choice depends on.
    """
    order: dict[Step, int] = {}
    admitted: set[int] = set()
    settled: set[int] = set()
    drafts: set[int] = set()
    for event in events:
        identity = event.candidate or 0
        if event.kind == "picked":
            order[("picked", int(str(event.detail["slot"])))] = event.id
            drafts |= _ids(event, "settled")
        elif (
            identity in drafts
            and event.kind in ("arrived", "rejected", "duplicate")
            and identity not in admitted
        ):
            # Recorded with the pick, in one step.
            admitted |= {identity} if event.kind == "arrived" else set()
        elif event.kind == "drawn":
            order[("drawn", int(str(event.detail["batch"])))] = event.id
        elif event.kind == "seeded":
            admitted.add(identity)
        elif event.kind == "arrived":
            admitted.add(identity)
            order[("admitted", identity)] = event.id
        elif event.kind == "rejected" or (event.kind == "duplicate" and identity not in admitted):
            order[("admitted", identity)] = event.id
        elif event.kind in ("fingerprinted", "repaired", "duplicate"):
            order.setdefault(("sound", identity), event.id)
        elif event.kind == "rung":
            order[(str(event.detail["rung"]), identity)] = event.id
        elif _outcome(event) and identity not in settled:
            order[("settled", identity)] = event.id
        if _outcome(event):
            settled.add(identity)
    return sorted(order, key=lambda step: order[step]), admitted - settled
