"""What both loops do alike: ask operators, admit children, grade them, and notice when the run is to end."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Coroutine, Sequence
from typing import Any

from evoarch.agent.base.ordering import EventOrder, Steering
from evoarch.agent.config.load import Config
from evoarch.agent.evaluation import last_resort
from evoarch.agent.evaluation.budget import Budget
from evoarch.agent.evaluation.pipeline import Pipeline
from evoarch.agent.lm.base import LMError
from evoarch.agent.lm.budget import LMBudget, OutOfBudgetError
from evoarch.agent.search.components import REPLAYED, STOPPED, Components, Ending
from evoarch.agent.search.stopping import Patience
from evoarch.agent.search.variation import (
    Accepted,
    AsDrafted,
    Child,
    ProposalWriter,
    Rejected,
    Unanswered,
    Unvetted,
)
from evoarch.agent.seeding.lineage import EditableRegions
from evoarch.archive.records import Proposal, State
from evoarch.archive.store import Store


class Breeder:
    """The parts of one run that its loop works with. `wake` is set whenever the loop should look again: after
    a stop, a step of a replay, an ended call of a language model, or a change of the pool's slots.
    """

    def __init__(
        self,
        store: Store,
        config: Config,
        parts: Components,
        event_order: EventOrder,
        budget: Budget,
        pipeline: Pipeline,
    ) -> None:
        self.store, self.config, self.parts = store, config, parts
        self.event_order, self.budget, self.pipeline = event_order, budget, pipeline
        self.replaying = event_order.recorded
        prices = {lm.name: lm for lm in config.lm}
        self.lm_budget = LMBudget(store, config.budget, prices, unlimited=self.replaying)
        self.patience = Patience(config.budget.stall)
        openings = EditableRegions(store, parts.seeds)
        self._writer = ProposalWriter(
            store, config, parts.offers, config.campaign.seed, openings, self.lm_budget, event_order.accepted,
            parts.card,
        )  # fmt: skip
        self._stopping = False
        self.wake = asyncio.Event()
        event_order.watch(self.wake.set)
        self.lm_budget.watch(self.wake.set)
        if parts.pool is not None:
            parts.pool.watch(self.wake.set)

    def stop(self) -> None:
        """Finish what is being written and graded, begin nothing new; the training of a soft prompt ends."""
        self._stopping = True
        self.wake.set()

    def ending(self) -> Ending | None:
        """Why nothing more is begun; None: the run goes on. That no LM call may be sent does not end it."""
        if self._stopping:
            return STOPPED
        if self.replaying:
            return None if self.event_order.next() else REPLAYED
        if spent := self.budget.spent():
            return Ending(spent, complete=True)
        if reason := self.patience.over():
            return Ending(reason, complete=False, error=True)
        return None

    def steering(self, batch: int = 0) -> Steering:
        """What a person has said so far; in a replay, what had been said when `batch` was drawn."""
        if self.replaying:
            return self.event_order.steering(batch)
        verdicts = self.store.verdicts
        notes = verdicts.notes() if self.config.review.notes else {}
        return Steering(verdicts.vetoed(), verdicts.pinned(), notes)

    async def write(self, batch: Sequence[Proposal], table: int) -> list[Child]:
        """The children of a drawn batch, by the operator at place `table` of the configuration.

        [] where no call may be sent, or none can work: the batch stays as it was drawn, for a later run.
        Raises LMError in a replay whose record lacks the answer.
        """
        return [
            self.vetted(each) if isinstance(each, Unvetted) else each
            for each in await self.draft(batch, table)
        ]

    def vetted(self, draft: Unvetted) -> Accepted | Rejected:
        """The draft as it is let in, or what keeps it out."""
        return self._writer.vetted(draft)

    async def draft(self, batch: Sequence[Proposal], table: int) -> list[AsDrafted]:
        """As `write`, before vetting."""
        lm = self.config.operators[table].lm
        try:
            children = await self._writer.draft(
                batch, self.parts.operators[table], self.parts.lms[lm] if lm else None
            )
        except OutOfBudgetError:
            return []
        except LMError as error:
            if self.replaying:
                raise
            self.patience.refused(str(error))
            return []
        if lm and not self.replaying:
            problems = [child.problem for child in children if isinstance(child, Unanswered)]
            self.patience.answered(problems[0] if len(problems) == len(children) else "")
        return children

    def start(self, candidate: int) -> Coroutine[Any, Any, bool]:
        """Puts a queued candidate into a slot; what is returned grades it, as `Pipeline.grade` does."""
        self.store.start(candidate)
        return self.pipeline.grade(self.store.candidate(candidate), "search")

    def settled(self, candidate: int) -> None:
        """A candidate was graded: notes whether it was trained, or lost by the infrastructure.

        What failed here over a candidate says nothing of the machine.
        """
        queued = self.store.candidate(candidate).state is State.QUEUED
        ours = last_resort.broke(self.store, candidate)
        if queued and not ours and (lost := self.store.relatives.last_failure(candidate)):
            self.patience.lost(lost)
        elif self.store.has_trained(candidate):
            self.patience.settled(trained=True)
        else:
            self.untrained(candidate)

    def untrained(self, candidate: int) -> None:
        """A candidate came to its end before training; its archived reason is counted."""
        self.patience.settled(trained=False, reason=self.store.relatives.reason(candidate))

    async def first_of(
        self, tasks: Collection[asyncio.Task[Any]], seconds: float | None = None
    ) -> set[asyncio.Task[Any]]:
        """Waits until a task ends, `wake` is set, or `seconds` are over (None: no limit); the ended tasks."""
        woken = asyncio.create_task(self.wake.wait())
        try:
            done, _ = await asyncio.wait(
                {*tasks, woken}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            woken.cancel()
        self.wake.clear()
        return done - {woken}


async def abandon(tasks: Collection[asyncio.Task[Any]]) -> None:
    """Cancels tasks and waits for their ends. What they did not finish is made again by the next run."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
