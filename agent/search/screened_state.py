"""The steady state with screening: for each slot drafts are drawn and built, and one of them is picked.

Children of a language model have no slots of their own: when they come they are guests, compared with the
drafts of the next few slots. Everything is rebuilt from the archive, as in the steady state.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from evoarch.agent.base.errors import UserError
from evoarch.agent.base.ordering import SlotSpan, Steering
from evoarch.agent.base.proposal_context import ProposalContext
from evoarch.agent.search.breeder import Breeder
from evoarch.agent.search.scheduler import Plan
from evoarch.agent.search.screening import Built, Pool, Screening
from evoarch.agent.search.steady_state import MOST_CALLS, SteadyState
from evoarch.agent.search.variation import AsDrafted, Child, Rejected, Unvetted, admit
from evoarch.archive.records import Proposal, State
from evoarch.evaluators.trace import Trace

VISITS = 8
"""Slots for which a guest is compared with the drafts; if it is never picked, it is screened."""

TURN = 4
"""Drafts that are made before whoever else waits for this process has a turn."""


@dataclass
class _Guest:
    """A child of a language model. `slot`: the first of those that it was asked for."""

    built: Built
    slot: int


class ScreenedSteadyState(SteadyState):
    """One run with screening."""

    def __init__(self, breeder: Breeder, screening: Screening) -> None:
        self._screening = screening
        self._building: dict[asyncio.Task[Pool], int] = {}
        self._pools: dict[int, Pool] = {}
        self._drawn: dict[int, list[Sequence[Proposal]]] = {}
        self._next_pool = 0
        self._guests: dict[int, _Guest] = {}
        self._visits: Counter[int] = Counter()
        self._asked: dict[asyncio.Task[Any], int] = {}
        self._beside: dict[int, tuple[Child, Trace | None]] = {}
        self._picked: set[int] = set()
        super().__init__(breeder)

    def _tasks(self) -> Collection[asyncio.Task[Any]]:
        return {*super()._tasks(), *self._building}

    def _resume(self) -> Plan:
        """What was picked, what is to be built again, what was asked of language models."""
        taken: dict[int, int] = {}
        for event in self._store.events(kind="picked"):
            slot = int(str(event.detail["slot"]))
            taken[slot] = 1
            self._done.add(slot)
            guests = event.detail.get("guests", ())
            assert isinstance(guests, Sequence)
            self._visits.update(int(guest) for guest in guests)
        self._taken_before(taken)
        pools: dict[int, list[Proposal]] = {}
        pending: dict[int, list[Proposal]] = {}
        for proposal in self._store.proposals(state=State.PROPOSED):
            span = ProposalContext.from_json(proposal.context).span
            if span.drafts:
                taken.setdefault(span.slot, 1)
                pools.setdefault(span.slot, []).append(proposal)
            else:
                pending.setdefault(proposal.batch, []).append(proposal)
        slots = {prediction.candidate: prediction.slot for prediction in self._store.predictions.all()}
        for candidate in self._store.candidates(state=State.QUEUED):
            if candidate.id in slots:
                self._done.remove(slots[candidate.id])
                self._ready[slots[candidate.id]] = candidate
            elif candidate.number is not None:
                self._released.append(candidate.id)
        self._settled = len(self._done)
        self._next_pool = 1 + max([*self._done, *self._ready, *pools], default=-1)
        for slot, drafts in pools.items():
            self._build(slot, [[draft] for draft in drafts])
        for batch in pending.values():
            self._write(batch)
        self._pass(0)
        return self._planned(taken)

    def _taken_before(self, taken: dict[int, int]) -> None:
        """The slots of language models' calls, and those that were filled while nothing was screened."""
        for proposal in self._store.proposals(drafts=False):
            context = ProposalContext.from_json(proposal.context)
            taken[context.slot] = context.count
            if not context.lm:
                self._done.add(context.slot + proposal.ordinal)

    # Drawing, writing and building

    def _draw_due(self) -> None:
        if self._replaying:
            super()._draw_due()
            return
        if self._breeder.lm_budget.spent():
            return
        for span in self._plan.due(self._settled, self._settled):
            table = self._config.operators[span.operator]
            if not table.lm:
                self._plan.take(span)  # Its slot has drafts of all quick operators.
                continue
            calls = [op for op, _ in self._writing.values() if self._config.operators[op].lm == table.lm]
            if not self._ordered and len(calls) >= MOST_CALLS * self._concurrency(table):
                if span.slot < self._settled:
                    self._plan.take(span)  # The slots that it was for are over.
                continue
            self._plan.take(span)
            self._draw(span, self._breeder.steering())
        while self._next_pool < self._settled + self._parts.at_once + 1:
            before = time.process_time()
            spans = self._screening.spans(self._next_pool)
            batches = self._drawing.draw_all(spans, self._breeder.steering())
            self._build(self._next_pool, batches, time.process_time() - before)
            self._next_pool += 1

    def _draw(self, span: SlotSpan, steering: Steering) -> None:
        if not span.drafts:
            super()._draw(span, steering)
            return
        drawn = self._drawn.setdefault(span.slot, [])
        drawn.append(self._drawing.draw(span, steering))
        if len(drawn) == span.drafts:
            self._build(span.slot, self._drawn.pop(span.slot))

    def _build(self, slot: int, batches: Sequence[Sequence[Proposal]], cpu_seconds: float = 0.0) -> None:
        self._building[asyncio.create_task(self._built(slot, batches, cpu_seconds))] = slot

    async def _built(self, slot: int, batches: Sequence[Sequence[Proposal]], cpu_seconds: float) -> Pool:
        children: list[AsDrafted] = []
        for first in range(0, len(batches), TURN):
            await asyncio.sleep(0)
            before = time.process_time()
            for batch in batches[first : first + TURN]:
                children += await self._drafted(batch)
            cpu_seconds += time.process_time() - before
        return await self._screening.build(slot, children, cpu_seconds)

    async def _drafted(self, batch: Sequence[Proposal]) -> Sequence[AsDrafted]:
        index = self._table_of(batch[0])
        if index is None:
            reason = f"{batch[0].operator} is no longer among the campaign's operators"
            return [Rejected(proposal, "", reason=reason) for proposal in batch]
        return await self._breeder.draft(batch, index)

    def _write(self, batch: Sequence[Proposal]) -> None:
        """Asks for the children of one call, which will be guests."""
        context = ProposalContext.from_json(batch[0].context)
        task = asyncio.create_task(self._asked_for(context.slot, batch))
        self._writing[task] = (self._table_of(batch[0]) or 0, len(batch))
        self._asked[task] = context.slot

    async def _asked_for(self, slot: int, batch: Sequence[Proposal]) -> Pool:
        """The children of a call, vetted: what is found in them may stand in the next prompt."""
        drafted = await self._drafted(batch)
        children = [self._breeder.vetted(each) if isinstance(each, Unvetted) else each for each in drafted]
        return await self._screening.build(slot, children)

    def _collect(self, done: Collection[asyncio.Task[Any]]) -> None:
        for task in [task for task in self._building if task in done]:
            pool = task.result()
            self._pools[self._building.pop(task)] = pool
        for task in [task for task in self._writing if task in done]:
            del self._writing[task]
            self._welcome(task.result(), self._asked.pop(task))

    def _welcome(self, came: Pool, slot: int) -> None:
        """Children of a language model: those that were built are guests; the others are seen to apart, as
        are those of an operator whose children are not screened.
        """
        apart: list[tuple[Child | Unvetted, Trace | None]] = [(child, None) for child, _ in came.faulty]
        apart += [(child, None) for child in came.unread]
        for built in came.built:
            if self._is_screened(built.child.proposal):
                self._guests[built.candidate] = _Guest(built, slot)
            else:
                apart.append((built.child, built.trace))
        for child, trace in apart:
            assert not isinstance(child, Unvetted), "children of a call are vetted when they come"
            self._beside[child.proposal.candidate] = child, trace
        if came.candidates:
            self._store.add_cpu(came.candidates[0], came.cpu_seconds)

    def _is_screened(self, proposal: Proposal) -> bool:
        table = self._table_of(proposal)
        return table is None or self._config.operators[table].screened

    # Picking

    def _admit_ready(self) -> None:
        while self._admit_one():
            pass

    def _admit_one(self) -> bool:
        """Whether something was picked or let in, so that there may be more."""
        if self._replaying:
            return self._repeat_step()
        if len(self._grading) >= self._parts.at_once or self._ending():
            return False
        slot = self._open_slot()
        beside = min((i for i, (each, _) in self._beside.items() if self._is_due(each, slot)), default=None)
        if beside is not None:
            self._let_in(beside)
            return True
        if slot is None:
            return False
        if self._ordered:
            self._pass(slot + 1)
        if slot in self._ready:
            candidate = self._ready.pop(slot)
            self._picked.add(candidate.id)  # type: ignore[union-attr]
            self._begin(candidate.id)  # type: ignore[union-attr]
        else:
            self._pick(slot, [guest for guest in self._guests.values() if self._in_time(guest.slot, slot)])
        return True

    def _open_slot(self) -> int | None:
        """The slot that a child is picked for next, where its drafts are there."""
        ready = {*self._ready, *self._pools}
        if not self._ordered or self._breeder.lm_budget.spent():
            return min(ready, default=None)
        late = any(asked <= self._next_slot for asked in self._asked.values())
        return self._next_slot if self._next_slot in ready and not late else None

    def _in_time(self, asked: int, slot: int) -> bool:
        """Whether a guest that was asked for in one slot is compared in another: strictly, never before."""
        return asked <= slot or not self._ordered

    def _is_due(self, child: Child, slot: int | None) -> bool:
        asked = ProposalContext.from_json(child.proposal.context).slot
        return not self._ordered or (slot is not None and asked <= slot)

    def _repeat_step(self) -> bool:
        """Makes the next recorded step, where it is a pick or lets in, and what it needs is there."""
        step = self._event_order.next()
        if step is None:
            return False
        kind, number = step
        if kind == "admitted" and number in self._beside:
            self._let_in(number)
            return True
        if kind != "picked" or number not in self._pools:
            return False
        recorded = self._event_order.pick(number)
        if not all(guest in self._guests for guest in recorded.guests):
            return False
        found = self._pick(number, [self._guests[guest] for guest in recorded.guests])
        if found != recorded.candidate:
            raise UserError(
                f"replay: slot {number}: the recorded run picked candidate {recorded.candidate},"
                f" this one {found}",
                code=1,
            )
        return True

    def _pick(self, slot: int, guests: Sequence[_Guest]) -> int | None:
        if self._screening.unscreened(slot):
            guests = ()
        ids = [guest.built.candidate for guest in guests]
        self._visits.update(ids)
        leaving = [identity for identity in ids if self._visits[identity] >= VISITS]
        pool = self._pools.pop(slot)
        candidate = self._screening.settle(pool, [guest.built for guest in guests], leaving)
        for identity in ids:
            if self._store.candidate(identity).state is not State.PROPOSED:
                del self._guests[identity]
        self._event_order.done(("picked", slot))
        if candidate is None:
            if pool.lost:
                self._breeder.patience.lost(pool.lost)
            else:
                self._breeder.patience.settled(trained=False)
            self._slot_is_settled()
        else:
            self._picked.add(candidate)
            self._begin(candidate)
        return candidate

    def _let_in(self, identity: int) -> None:
        """A child that is not screened, or could not be built or read: it is recorded, and mended where that
        is possible.
        """
        child, trace = self._beside.pop(identity)
        with self._store.transaction():
            candidate = admit(self._store, self._event_order, child)
            if candidate is not None and trace is not None:
                self._screening.let_in(identity, trace)
        if candidate is None:
            self._breeder.patience.settled(trained=False)
        else:
            self._begin(candidate.id)

    def _graded(self, candidate: int) -> None:
        self._breeder.settled(candidate)
        if candidate in self._picked:
            self._picked.remove(candidate)
            self._slot_is_settled()
