"""EvoPrompting's rounds: parents are chosen, the soft prompt is trained, prompts are drawn, children graded.

A round ends before the next begins, so that nothing in it depends on timing. All of it is in the archive: the
diary's `round` says who the parents are and which soft prompt is used, each proposal names its round and
prompt. A run that was cut off goes on in the round where it was, and a replay follows the record.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from evoarch.agent.base.concurrency import together
from evoarch.agent.base.ordering import EventOrder, Steering
from evoarch.agent.base.rng import stream
from evoarch.agent.config.load import Config
from evoarch.agent.config.tables import RoundsTable
from evoarch.agent.evaluation.budget import Budget
from evoarch.agent.evaluation.pipeline import Pipeline
from evoarch.agent.lm.base import LMError
from evoarch.agent.lm.budget import LMBudget, OutOfBudgetError
from evoarch.agent.operators.base import Operator
from evoarch.agent.search.components import STOPPED, Components, Ending
from evoarch.agent.search.evoprompting import Selection, enters, examples_for, select
from evoarch.agent.search.selection import targets
from evoarch.agent.search.stopping import Patience
from evoarch.agent.search.variation import Child, ProposalWriter, admit
from evoarch.agent.seeding.lineage import EditableRegions
from evoarch.agent.tuning.data import Member, member_of, tuning_data
from evoarch.archive.records import Candidate, Proposal, State
from evoarch.archive.store import Store

REWRITE = "lm.rewrite"
"""The operator that writes a whole class after examples: the paper's."""


class Generational:
    """One run of a campaign in rounds; everything is read back from the archive."""

    def __init__(
        self,
        store: Store,
        config: Config,
        parts: Components,
        event_order: EventOrder,
        budget: Budget,
        grader: Pipeline,
    ) -> None:
        assert config.rounds is not None
        self._store, self._config, self._parts = store, config, parts
        self._event_order, self._budget, self._grader = event_order, budget, grader
        self._table: RoundsTable = config.rounds
        self._index = next(i for i, each in enumerate(config.operators) if each.name == REWRITE)
        self._operator: Operator = parts.operators[self._index]
        lm = next(each for each in config.lm if each.name == config.operators[self._index].lm)
        self._lm = parts.lms[lm.name]
        self._lm_budget = LMBudget(
            store, config.budget, {each.name: each for each in config.lm}, unlimited=event_order.recorded
        )
        self._patience = Patience(config.budget.stall)
        openings = EditableRegions(store, parts.seeds)
        self._writer = ProposalWriter(
            store, config, parts.offers, config.campaign.seed, openings, self._lm_budget, event_order.passed
        )
        # In a replay whoever's turn it is must be under way.
        self._calls = asyncio.Semaphore(1 << 30 if event_order.recorded else lm.concurrency)
        # In a pool whose slots come and go each child waits for its own.
        unbounded = event_order.recorded or parts.pool is not None
        self._slots = asyncio.Semaphore(1 << 30 if unbounded else parts.workers)
        self._stopping = False
        self._wake = asyncio.Event()
        event_order.watch(self._wake.set)

    def stop(self) -> None:
        """Finish what is being written and graded, begin nothing new; tuning is broken off."""
        self._stopping = True
        self._wake.set()

    async def run(self) -> Ending:
        """Makes rounds until all are made, the budget is spent, a stop, or until going on is no use."""
        work = asyncio.create_task(self._rounds())
        try:
            while not work.done() and not self._replayed():
                self._wake.clear()
                woken = asyncio.create_task(self._wake.wait())
                await asyncio.wait({work, woken}, return_when=asyncio.FIRST_COMPLETED)
                woken.cancel()
            if work.done():
                return work.result()
            return Ending("the replay is at its end", complete=True)
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)

    def _replayed(self) -> bool:
        return self._event_order.recorded and self._event_order.next() is None

    async def _rounds(self) -> Ending:
        for number in range(self._table.rounds):
            if ending := self._ending():
                return ending
            begun = self._begun(number)
            if begun is None and (spent := self._lm_budget.spent()):
                return Ending(spent, complete=True)
            begun = begun or await self._begin(number)
            if begun is None:
                return self._ending() or STOPPED
            await self._breed(number, begun)
        spent = self._lm_budget.spent()
        return self._ending() or Ending(spent or f"all {self._table.rounds} rounds are made", complete=True)

    def _ending(self) -> Ending | None:
        """Why nothing more is begun, but for LM calls: what is paid for is still graded."""
        if self._stopping:
            return STOPPED
        if self._event_order.recorded:
            return None
        if spent := self._budget.spent():
            return Ending(spent, complete=True)
        if reason := self._patience.over():
            return Ending(reason, complete=False, error=True)
        return None

    # Between rounds: who is a parent, and the soft prompt

    def _begun(self, number: int) -> Mapping[str, object] | None:
        """What was decided at the beginning of a round, if it was."""
        for event in self._store.events(kind="round"):
            if event.detail.get("round") == number:
                return event.detail
        return None

    async def _begin(self, number: int) -> Mapping[str, object] | None:
        """Chooses parents, trains the soft prompt where there is one, and writes both down.

        None where a stop, or the end of the budget's wall clock, came before.
        """
        chosen = self._selection(number)
        detail: dict[str, object] = {"round": number, "parents": list(chosen.parents)}
        detail |= {"training": list(chosen.training), "soft_prompt": self._soft_prompt(number - 1)}
        tuner = self._parts.tuner
        if tuner is not None and chosen.training and not self._event_order.recorded:
            data = tuning_data(self._store, chosen.training, self._config, self._parts.offers)
            self._store.event("tuning", detail={"round": number, **data.as_json()})
            tune = asyncio.create_task(tuner.tune(data, after=str(detail["soft_prompt"]), number=number))
            try:
                while not tune.done() and not self._ending():
                    woken = asyncio.create_task(self._wake.wait())
                    left = self._budget.seconds_left()
                    await asyncio.wait({tune, woken}, timeout=left, return_when=asyncio.FIRST_COMPLETED)
                    woken.cancel()
                if not tune.done():
                    return None
                tuned = tune.result()
            finally:
                tune.cancel()
                await asyncio.gather(tune, return_exceptions=True)
            detail |= {"soft_prompt": tuned.digest, "tuning": tuned.as_json()}
        # The file of the soft prompt is there before this row names it.
        self._store.event("round", detail=detail)
        return detail

    def _soft_prompt(self, number: int) -> str:
        begun = self._begun(number) or {}
        return str(begun.get("soft_prompt", ""))

    def _selection(self, number: int) -> Selection:
        """The first round's parents are the seeds, which are never chosen later."""
        if number == 0 or self._table.parents == "seeds":
            return Selection(tuple(self._seeds()), ())
        rounds = [event.detail for event in self._store.events(kind="round")]
        chosen = {identity for each in rounds for identity in _ids(each["parents"])}
        # A child that settled after its round, because the infrastructure had lost it, counts from then on.
        kept, latest = list[Member](), set[int]()
        for proposal in self._store.proposals():
            member = member_of(self._store, proposal.candidate)
            if member is not None and enters(member.error, self._table.threshold):
                kept.append(member)
                if proposal.context.get("round") == number - 1:
                    latest.add(member.id)
        pick = None
        if self._table.parents == "random":
            pick = stream(self._config.campaign.seed, "parents", number)
        return select(kept, latest, chosen, _ids(rounds[-1]["parents"]), self._table.survivors, pick)

    def _seeds(self) -> list[int]:
        return sorted(c.id for c in self._store.scored(sources=False) if c.operator == "seed")

    # Within a round

    async def _breed(self, number: int, begun: Mapping[str, object]) -> None:
        """Draws the prompts that are missing, then writes, admits and grades what is not settled."""
        batches: dict[int, list[Proposal]] = {}
        for proposal in self._store.proposals():
            if proposal.context.get("round") == number:
                batches.setdefault(int(str(proposal.context["prompt"])), []).append(proposal)
        for prompt in range(self._table.prompts):
            if prompt not in batches:
                batches[prompt] = await self._draw(number, prompt, begun)
        await together(self._batch(batches[prompt]) for prompt in sorted(batches))

    async def _draw(self, number: int, prompt: int, begun: Mapping[str, object]) -> list[Proposal]:
        batch = self._store.next_number()
        await self._event_order.wait(("drawn", batch))
        steering = self._steering(batch)
        rng = stream(self._config.campaign.seed, "prompt", number, prompt)
        allowed = [each for each in _ids(begun["parents"]) if each not in steering.vetoed]
        drawn = examples_for(allowed or _ids(begun["parents"]), self._table.examples, rng)
        parents = [self._store.candidate(identity) for identity in drawn]
        metrics = {each.id: self._metrics(each) for each in parents}
        slot = (number * self._table.prompts + prompt) * self._table.samples
        context = {
            "slot": slot,
            "count": self._table.samples,
            "table": self._index,
            "round": number,
            "prompt": prompt,
            "metrics": {str(identity): dict(found) for identity, found in metrics.items()},
            "targets": targets(list(metrics.values())),
            "temperature": rng.choice(self._table.temperatures),
            "lm": self._config.operators[self._index].lm,
            "soft_prompt": begun["soft_prompt"],
            **steering.as_json(drawn),
        }
        proposals = self._store.draw(self._operator.name, drawn, self._table.samples, context)
        self._event_order.done(("drawn", batch))
        return proposals

    def _steering(self, batch: int) -> Steering:
        if self._event_order.recorded:
            return self._event_order.steering(batch)
        notes = self._store.verdicts.notes() if self._config.review.notes else {}
        return Steering(self._store.verdicts.vetoed(), self._store.verdicts.pinned(), notes)

    def _metrics(self, parent: Candidate) -> Mapping[str, float]:
        """What the prompt says of a parent: the unsmoothed error, as the paper's."""
        member = member_of(self._store, parent.id)
        return dict(parent.metrics) | ({"error": member.error} if member else {})

    async def _batch(self, batch: Sequence[Proposal]) -> None:
        """One prompt's children, from the call to their outcomes; those that are settled stay so."""
        states = {each.candidate: self._store.candidate(each.candidate) for each in batch}
        waiting = [each for each in states.values() if each.state is State.QUEUED]
        missing = [each for each in batch if states[each.candidate].state is State.PROPOSED]
        children: list[Child | Candidate] = list(waiting)
        if missing:
            children += await self._write(missing)
        await asyncio.gather(*(self._child(each) for each in children))

    async def _write(self, missing: Sequence[Proposal]) -> Sequence[Child]:
        async with self._calls:
            if self._ending():
                return ()
            try:
                written = await self._writer.write(missing, self._operator, self._lm)
            except OutOfBudgetError:
                return ()  # It stays as it was drawn, and a run with a larger budget makes it.
            except LMError as error:
                if self._event_order.recorded:
                    raise
                self._patience.refused(str(error))
                return ()
        if not self._event_order.recorded:
            unanswered = all(bred.unanswered for bred in written)
            self._patience.answered(written[0].problem if unanswered else "")
        return written

    async def _child(self, child: Child | Candidate) -> None:
        async with self._slots:
            if self._ending():
                return
            candidate: Candidate | None
            if isinstance(child, Candidate):
                candidate = child
                if self._event_order.recorded and not self._event_order.ends(child.id):
                    return
            else:
                await self._event_order.wait(("admitted", child.proposal.candidate))
                candidate = admit(self._store, self._event_order, child)
            if candidate is None:
                self._patience.settled(trained=False)
                return
            self._store.start(candidate.id)
            await self._grader.grade(self._store.candidate(candidate.id), "search")
            if self._store.candidate(candidate.id).state is State.QUEUED:
                if lost := self._store.relatives.last_failure(candidate.id):
                    self._patience.lost(lost)
                return
            self._patience.settled(trained=self._store.has_trained(candidate.id))


def _ids(value: object) -> list[int]:
    assert isinstance(value, Sequence)
    return [int(each) for each in value]
