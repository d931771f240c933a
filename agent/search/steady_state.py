"""The steady state: draw ahead, admit to free slots, wait for whatever ends first.

One coroutine owns all choices. In strict order (one worker) children are admitted by slot, so that the same
seed gives the same campaign; otherwise whoever is ready goes first, and a replay follows the record.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from evoarch.agent.base.errors import UserError
from evoarch.agent.base.ordering import EventOrder, SlotSpan, Steering
from evoarch.agent.base.rng import stream
from evoarch.agent.config.load import Config
from evoarch.agent.config.tables import OperatorTable
from evoarch.agent.evaluation.budget import Budget
from evoarch.agent.evaluation.pipeline import Pipeline
from evoarch.agent.lm.base import LMError
from evoarch.agent.lm.budget import LMBudget, OutOfBudgetError
from evoarch.agent.operators.base import Operator
from evoarch.agent.search.bandit import OperatorBandit
from evoarch.agent.search.components import STOPPED, Components, Ending
from evoarch.agent.search.proposals import ProposalDrawer
from evoarch.agent.search.scheduler import Plan, Share
from evoarch.agent.search.stopping import Patience
from evoarch.agent.search.variation import Child, ProposalWriter, admit
from evoarch.agent.seeding.lineage import EditableRegions
from evoarch.archive.records import Candidate, Proposal, State
from evoarch.archive.store import Store

MOST_CALLS = 2
"""Batches that may wait for one LM at a time; slots of one that is further behind go to quick operators."""


def share_of(table: OperatorTable, operator: Operator, workers: int) -> Share:
    """A slow operator is asked early enough that the slots have work for the time of two of its calls."""
    slow = bool(table.lm)
    lookahead = table.lookahead or (2 * operator.samples + 8 if slow else workers + 1)
    return Share(table.weight, operator.samples, lookahead, slow)


def slot_of(proposal: Proposal) -> int:
    return int(str(proposal.context["slot"])) + proposal.ordinal


class SteadyState:
    """The state of one run's steady state; all of it can be rebuilt from the archive."""

    def __init__(
        self,
        store: Store,
        config: Config,
        parts: Components,
        event_order: EventOrder,
        budget: Budget,
        grader: Pipeline,
    ) -> None:
        self._store, self._config, self._parts = store, config, parts
        self._event_order, self._budget, self._grader = event_order, budget, grader
        self._drawing = ProposalDrawer(store, config, parts.operators, parts.choose)
        prices = {lm.name: lm for lm in config.lm}
        self._lm_budget = LMBudget(store, config.budget, prices, unlimited=event_order.recorded)
        self._patience = Patience(config.budget.stall)
        openings = EditableRegions(store, parts.seeds)
        self._writer = ProposalWriter(
            store, config, parts.offers, config.campaign.seed, openings, self._lm_budget, event_order.passed
        )
        strict = config.evaluation.order == "strict" or (
            config.evaluation.order == "auto" and not any(table.lm for table in config.operators)
        )
        self._ordered = parts.workers == 1 and parts.pool is None and strict and not event_order.recorded
        self._writing: dict[asyncio.Task[list[Child]], tuple[int, int]] = {}
        self._grading: dict[asyncio.Task[bool], tuple[int, bool]] = {}
        self._ready: dict[int, Child | Candidate] = {}
        self._released: list[int] = []
        self._settled = 0
        self._next_slot = 0
        self._done: set[int] = set()
        self._stopping = False
        self._wake = asyncio.Event()
        event_order.watch(self._wake.set)
        self._lm_budget.watch(self._wake.set)
        if parts.pool is not None:
            parts.pool.watch(self._wake.set)
        self._plan = self._resume()

    def stop(self) -> None:
        """Finish what is being written and graded, begin nothing new."""
        self._stopping = True
        self._wake.set()

    async def run(self) -> Ending:
        """Breeds until the budget is spent, a stop, or the end of the record, or until going on is no use.

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
            while self._grading and not self._event_order.recorded:
                await self._progress()
            return ending
        finally:
            await self._abandon()

    def _resume(self) -> Plan:
        """Everything from the archive: what is settled, what is admitted, what must be written again."""
        states = {c.id: c for c in self._store.candidates(sources=False) if c.number is not None}
        pending: dict[int, list[Proposal]] = {}
        taken: dict[int, int] = {}
        for proposal in self._store.proposals():
            candidate = states[proposal.candidate]
            taken[int(str(proposal.context["slot"]))] = int(str(proposal.context["count"]))
            if candidate.state is State.PROPOSED:
                pending.setdefault(proposal.batch, []).append(proposal)
            elif candidate.state is State.QUEUED:
                self._ready[slot_of(proposal)] = self._store.candidate(candidate.id)
            else:
                self._settled += 1
                self._done.add(slot_of(proposal))
        for batch in pending.values():
            self._write(batch)
        self._pass(0)
        shares = [
            share_of(table, operator, self._parts.at_once)
            for table, operator in zip(self._config.operators, self._parts.operators, strict=True)
        ]
        bandit = self._config.portfolio.method == "bandit" and not self._event_order.recorded
        choose = OperatorBandit(self._store, self._config).choose if bandit else None
        return Plan(shares, self._config.campaign.seed, taken, choose)

    def _pass(self, slot: int) -> None:
        """The next slot to admit lies behind `slot` and all that were settled out of order."""
        self._next_slot = slot
        while self._next_slot in self._done:
            self._next_slot += 1

    def _ending(self) -> Ending | None:
        if self._stopping:
            return STOPPED
        if self._event_order.recorded:
            return None if self._event_order.next() else Ending("the replay is at its end", complete=True)
        if spent := self._budget.spent():
            return Ending(spent, complete=True)
        if reason := self._patience.over():
            return Ending(reason, complete=False, error=True)
        if (spent := self._lm_budget.spent()) and not (self._writing or self._ready or self._grading):
            return Ending(spent, complete=True)
        return None

    # Drawing and writing

    def _draw_due(self) -> None:
        if self._event_order.recorded:
            while (step := self._event_order.next()) and step[0] == "drawn":
                self._draw(self._event_order.span(step[1]), self._event_order.steering(step[1]))
                self._event_order.done(step)
            return
        if self._lm_budget.spent():
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
                notes = self._store.verdicts.notes() if self._config.review.notes else {}
                self._draw(
                    each, Steering(self._store.verdicts.vetoed(), self._store.verdicts.pinned(), notes)
                )

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
            problem = f"{batch[0].operator} is no longer among the campaign's operators"
            self._take_in([Child(proposal, "", problem=problem) for proposal in batch])
            return
        table = self._config.operators[index]
        lm = self._parts.lms[table.lm] if table.lm else None
        task = asyncio.create_task(self._writer.write(batch, self._parts.operators[index], lm))
        self._writing[task] = (index, len(batch))

    def _table_of(self, proposal: Proposal) -> int | None:
        """Its operator's place among the tables, which a person may have edited since it was drawn."""
        names = [table.name for table in self._config.operators]
        drawn = int(str(proposal.context["table"]))
        if names[drawn : drawn + 1] == [proposal.operator]:
            return drawn
        return names.index(proposal.operator) if proposal.operator in names else None

    # Admitting and grading

    def _hear_verdicts(self) -> None:
        """Children that waited for a person: their slots are settled, so they go beside the order."""
        if self._event_order.recorded:
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
        self._store.start(identity)
        started = self._store.candidate(identity)
        task = asyncio.create_task(self._grader.grade(started, "search"))
        self._grading[task] = (identity, released)

    def _admit_ready(self) -> None:
        while (slot := self._admissible()) is not None:
            bred = self._ready.pop(slot)
            if self._ordered:
                self._pass(slot + 1)
            candidate = bred if isinstance(bred, Candidate) else admit(self._store, self._event_order, bred)
            if candidate is None:
                self._settle_slot(trained=False)
                continue
            self._begin(candidate.id)

    def _admissible(self) -> int | None:
        """The slot whose child may be looked at now, if a worker is free for it."""
        if self._event_order.recorded:
            step = self._event_order.next()
            if step is None or step[0] != "admitted":
                return None
            return next((s for s, bred in self._ready.items() if _candidate_id(bred) == step[1]), None)
        if len(self._grading) >= self._parts.at_once or self._ending():
            return None
        if self._ordered and not self._lm_budget.spent():
            return self._next_slot if self._next_slot in self._ready else None
        return min(self._ready, default=None)

    def _lost(self, candidate: int) -> str:
        """Why the infrastructure lost a child that was graded, or ""."""
        if self._store.candidate(candidate).state is not State.QUEUED:
            return ""
        return self._store.relatives.last_failure(candidate)

    def _settle_slot(self, *, trained: bool, lost: str = "") -> None:
        """A draw follows each slot that settles: what it sees must not depend on how many do at once."""
        self._settled += 1
        if lost:
            self._patience.lost(lost)
        else:
            self._patience.settled(trained=trained)
        if not self._event_order.recorded and self._ending() is None:
            self._draw_due()

    # Waiting

    async def _progress(self) -> None:
        """Waits until something ended or somebody called, and takes the results in."""
        tasks = {*self._writing, *self._grading}
        if not tasks and not self._wake.is_set():
            if self._event_order.recorded:
                raise UserError(f"replay: step {self._event_order.next()} can't be made again", code=1)
            return
        woken = asyncio.create_task(self._wake.wait())
        done, _ = await asyncio.wait(
            {*tasks, woken}, timeout=self._time_left(), return_when=asyncio.FIRST_COMPLETED
        )
        woken.cancel()
        self._wake.clear()
        for task in [task for task in self._grading if task in done]:
            candidate, released = self._grading.pop(task)
            if task.result() and not released:
                self._settle_slot(trained=self._store.has_trained(candidate), lost=self._lost(candidate))
            elif released:
                self._patience.settled(trained=True)  # Somebody is there, and something was tried.
        for write in [task for task in self._writing if task in done]:
            del self._writing[write]
            try:
                self._take_in(write.result())
            except OutOfBudgetError:
                continue  # It stays as it was drawn, and a run with a larger budget makes it.
            except LMError as error:
                if self._event_order.recorded:
                    raise
                self._patience.refused(str(error))

    def _time_left(self) -> float | None:
        """Seconds until the budget's end has to be noticed; once it is over there is nothing to notice."""
        return self._budget.seconds_left() or None

    def _take_in(self, batch: Sequence[Child]) -> None:
        for bred in batch:
            self._ready[slot_of(bred.proposal)] = bred
        if any(bred.asked for bred in batch) and not self._event_order.recorded:
            unanswered = all(bred.unanswered for bred in batch)
            self._patience.answered(batch[0].problem if unanswered else "")

    async def _abandon(self) -> None:
        """Ends what is still under way; it stands in the archive and is made again by the next run."""
        tasks = [*self._writing, *self._grading]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _candidate_id(bred: Child | Candidate) -> int:
    return bred.id if isinstance(bred, Candidate) else bred.proposal.candidate
