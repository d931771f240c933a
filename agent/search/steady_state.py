"""The steady state: draw ahead, admit children to free slots, wait for whatever ends first.

One coroutine makes all choices. In strict order (one worker) children are admitted by slot, so that the same
seed gives the same campaign; otherwise whoever is ready goes first, and a replay follows the record.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from evoarch.agent.base.errors import UserError
from evoarch.agent.base.ordering import SlotSpan, Steering
from evoarch.agent.base.proposal_context import ProposalContext
from evoarch.agent.base.rng import stream
from evoarch.agent.config.tables import OperatorTable
from evoarch.agent.operators.base import Operator
from evoarch.agent.search.bandit import OperatorBandit
from evoarch.agent.search.breeder import Breeder, abandon
from evoarch.agent.search.components import Ending
from evoarch.agent.search.proposals import ProposalDrawer
from evoarch.agent.search.scheduler import Plan, Share
from evoarch.agent.search.variation import Child, Rejected, admit
from evoarch.archive.records import Candidate, Proposal, State

MOST_CALLS = 2
"""Batches that may wait for one LM at a time; slots of one that is further behind go to quick operators."""


def share_of(table: OperatorTable, operator: Operator, workers: int) -> Share:
    """What an operator gets of the slots, with `workers` children at a time.

    A slow operator is asked early enough that the slots have work for the time of two of its calls.
    """
    slow = bool(table.lm)
    lookahead = table.lookahead or (2 * operator.samples + 8 if slow else workers + 1)
    return Share(table.weight, operator.samples, lookahead, slow)


def slot_of(proposal: Proposal) -> int:
    """The child's place in the processing order, from 0."""
    return ProposalContext.from_json(proposal.context).slot + proposal.ordinal


class SteadyState:
    """The state of one run's steady state; all of it can be rebuilt from the archive."""

    def __init__(self, breeder: Breeder) -> None:
        self._breeder = breeder
        self._store, self._config, self._parts = breeder.store, breeder.config, breeder.parts
        self._event_order, self._replaying = breeder.event_order, breeder.replaying
        self._drawing = ProposalDrawer(self._store, self._config, self._parts.operators, self._parts.choose)
        order = self._config.evaluation.order
        strict = order == "strict" or (
            order == "auto" and not any(each.lm for each in self._config.operators)
        )
        self._ordered = (
            self._parts.workers == 1 and self._parts.pool is None and strict and not self._replaying
        )
        self._writing: dict[asyncio.Task[Any], tuple[int, int]] = {}
        self._grading: dict[asyncio.Task[bool], tuple[int, bool]] = {}
        self._ready: dict[int, Child | Candidate] = {}
        self._released: list[int] = []
        self._settled = 0
        self._next_slot = 0
        self._done: set[int] = set()
        self._plan = self._resume()

    async def run(self) -> Ending:
        """Breeds until the budget is spent, a stop, the end of the record, or going on is no use.

        What was paid for or is being trained comes to its end first.
        """
        try:
            while (ending := self._ending()) is None:
                self._draw_due()
                self._hear_verdicts()
                self._admit_ready()
                if self._ending() is None:
                    await self._progress()
            while self._writing and not ending.complete:
                await self._progress()
            while self._grading and not self._replaying:
                await self._progress()
            return ending
        finally:
            await abandon(self._tasks())

    def _tasks(self) -> Collection[asyncio.Task[Any]]:
        return {*self._writing, *self._grading}

    def _resume(self) -> Plan:
        """Everything from the archive: what is settled, what is admitted, what must be written again."""
        states = {c.id: c for c in self._store.candidates(sources=False) if c.number is not None}
        pending: dict[int, list[Proposal]] = {}
        taken: dict[int, int] = {}
        for proposal in self._store.proposals():
            candidate = states[proposal.candidate]
            span = ProposalContext.from_json(proposal.context).span
            taken[span.slot] = span.count
            if span.drafts and candidate.state is not State.QUEUED:
                self._pass_over(candidate, span.slot)
            elif candidate.state is State.PROPOSED:
                pending.setdefault(proposal.batch, []).append(proposal)
            elif candidate.state is State.QUEUED:
                self._ready[span.slot + proposal.ordinal] = self._store.candidate(candidate.id)
            else:
                self._settled += 1
                self._done.add(span.slot + proposal.ordinal)
        for batch in pending.values():
            self._write(batch)
        self._pass(0)
        return self._planned(taken)

    def _pass_over(self, draft: Candidate, slot: int) -> None:
        """A draft of a run with screening, which is switched off now: nobody will pick it."""
        if draft.state is State.PROPOSED:
            self._store.screen(draft.id, "", "", trace=None, note="screening was switched off")
        self._settled += slot not in self._done
        self._done.add(slot)

    def _planned(self, taken: Mapping[int, int]) -> Plan:
        """The plan of the slots that were not `taken`, which are by first slot and count."""
        shares = [
            share_of(table, operator, self._parts.at_once)
            for table, operator in zip(self._config.operators, self._parts.operators, strict=True)
        ]
        bandit = self._config.portfolio.method == "bandit" and not self._replaying
        choose = OperatorBandit(self._store, self._config).choose if bandit else None
        return Plan(shares, self._config.campaign.seed, taken, choose)

    def _pass(self, slot: int) -> None:
        """The next slot to admit lies behind `slot` and all that were settled out of order."""
        self._next_slot = slot
        while self._next_slot in self._done:
            self._next_slot += 1

    def _ending(self) -> Ending | None:
        if ending := self._breeder.ending():
            return ending
        if (spent := self._breeder.lm_budget.spent()) and not (self._writing or self._ready or self._grading):
            return Ending(spent, complete=True)
        return None

    # Drawing and writing

    def _draw_due(self) -> None:
        if self._replaying:
            while (step := self._event_order.next()) and step[0] == "drawn":
                self._draw(self._event_order.span(step[1]), self._breeder.steering(step[1]))
                self._event_order.done(step)
            return
        if self._breeder.lm_budget.spent():
            return
        # With one worker nothing that depends on timing may move a draw.
        late = [count for op, count in self._writing.values() if self._config.operators[op].lm]
        waiting = 0 if self._ordered else sum(late)
        for span in self._plan.due(self._settled, self._settled + waiting):
            table = self._config.operators[span.operator]
            calls = [op for op, _ in self._writing.values() if self._config.operators[op].lm == table.lm]
            spans = [span]
            if table.lm and not self._ordered and len(calls) >= MOST_CALLS * self._concurrency(table):
                if span.slot >= self._settled + waiting + self._parts.at_once:
                    continue
                spans = self._instead(span)
            if spans:
                self._plan.take(span)
            for each in spans:
                self._draw(each, self._breeder.steering())

    def _instead(self, span: SlotSpan) -> list[SlotSpan]:
        """The slots of an LM that is too far behind, given to operators that answer on the spot."""
        tables = self._config.operators
        quick = [number for number, table in enumerate(tables) if not table.lm]
        weights = [tables[number].weight for number in quick]
        slots = range(span.slot, span.slot + span.count) if quick else ()
        seed = self._config.campaign.seed
        return [SlotSpan(slot, 1, stream(seed, "instead", slot).choices(quick, weights)[0]) for slot in slots]

    def _concurrency(self, table: OperatorTable) -> int:
        return next(lm.concurrency for lm in self._config.lm if lm.name == table.lm)

    def _draw(self, span: SlotSpan, steering: Steering) -> None:
        self._write(self._drawing.draw(span, steering))

    def _write(self, batch: Sequence[Proposal]) -> None:
        index = self._table_of(batch[0])
        if index is None:
            reason = f"{batch[0].operator} is no longer among the campaign's operators"
            self._take_in([Rejected(proposal, "", reason=reason) for proposal in batch])
            return
        task = asyncio.create_task(self._breeder.write(batch, index))
        self._writing[task] = (index, len(batch))

    def _table_of(self, proposal: Proposal) -> int | None:
        """Its operator's place among the tables, which a person may have edited since it was drawn."""
        names = [table.name for table in self._config.operators]
        drawn = ProposalContext.from_json(proposal.context).table
        if names[drawn : drawn + 1] == [proposal.operator]:
            return drawn
        return names.index(proposal.operator) if proposal.operator in names else None

    def _take_in(self, batch: Sequence[Child]) -> None:
        self._ready |= {slot_of(child.proposal): child for child in batch}

    # Admitting and grading

    def _hear_verdicts(self) -> None:
        """Children that waited for a person: their slots are settled, so they go beside the order."""
        if self._replaying:
            return
        for identity, approved in self._store.verdicts.decided():
            if approved:
                self._store.release(identity)
                self._released.append(identity)
            else:
                self._store.refuse(identity)
        while self._released and len(self._grading) < self._parts.at_once:
            self._begin(self._released.pop(0), released=True)

    def _begin(self, identity: int, *, released: bool = False) -> None:
        task = asyncio.create_task(self._breeder.start(identity))
        self._grading[task] = (identity, released)

    def _admit_ready(self) -> None:
        while (slot := self._admissible()) is not None:
            child = self._ready.pop(slot)
            if self._ordered:
                self._pass(slot + 1)
            candidate = (
                child if isinstance(child, Candidate) else admit(self._store, self._event_order, child)
            )
            if candidate is not None:
                self._begin(candidate.id)
                continue
            self._breeder.untrained(_candidate_id(child))
            self._slot_is_settled()

    def _admissible(self) -> int | None:
        """The slot whose child may be looked at now, if a worker is free for it."""
        if self._replaying:
            step = self._event_order.next()
            if step is None or step[0] != "admitted":
                return None
            return next((s for s, child in self._ready.items() if _candidate_id(child) == step[1]), None)
        if len(self._grading) >= self._parts.at_once or self._ending():
            return None
        if self._ordered and not self._breeder.lm_budget.spent():
            return self._next_slot if self._next_slot in self._ready else None
        return min(self._ready, default=None)

    def _slot_is_settled(self) -> None:
        """A draw follows each slot that settles: what it sees must not depend on how many do at once."""
        self._settled += 1
        if not self._replaying and self._ending() is None:
            self._draw_due()

    # Waiting

    async def _progress(self) -> None:
        """Waits until something ended or somebody called, and takes the results in."""
        tasks = self._tasks()
        if not tasks and not self._breeder.wake.is_set():
            if self._replaying:
                raise UserError(f"replay: step {self._event_order.next()} can't be made again", code=1)
            return
        # Once the wall clock is over there is nothing to notice.
        done = await self._breeder.first_of(tasks, self._breeder.budget.seconds_left() or None)
        for task in [task for task in self._grading if task in done]:
            candidate, released = self._grading.pop(task)
            if released:
                task.result()
                self._breeder.patience.settled(trained=True)  # Somebody is there, and something was tried.
            elif task.result():
                self._graded(candidate)
        self._collect(done)

    def _graded(self, candidate: int) -> None:
        self._breeder.settled(candidate)
        self._slot_is_settled()

    def _collect(self, done: Collection[asyncio.Task[Any]]) -> None:
        """Takes in what else came to its end."""
        for write in [task for task in self._writing if task in done]:
            del self._writing[write]
            self._take_in(write.result())


def _candidate_id(child: Child | Candidate) -> int:
    return child.id if isinstance(child, Candidate) else child.proposal.candidate
