"""EvoPrompting's rounds: parents are chosen, the soft prompt is trained, prompts are drawn, children graded.

A round ends before the next begins, so that nothing in it depends on timing. All of it is in the archive: the
diary's `round` says who the parents are and which soft prompt is used, each proposal names its round and
prompt. A run that was cut off goes on in the round where it was, and a replay follows the record.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from evoarch.agent.base.concurrency import together
from evoarch.agent.base.proposal_context import ProposalContext
from evoarch.agent.base.rng import stream
from evoarch.agent.config.rounds import RoundsTable
from evoarch.agent.search.breeder import Breeder, abandon
from evoarch.agent.search.components import REPLAYED, STOPPED, Ending
from evoarch.agent.search.evoprompting import Selection, enters, examples_for, select
from evoarch.agent.search.selection import targets
from evoarch.agent.search.variation import Child, admit
from evoarch.agent.tuning.data import Member, member_of, tuning_data
from evoarch.agent.tuning.tuner import Tuned, Tuner
from evoarch.archive.records import Candidate, Proposal, State

REWRITE = "lm.rewrite"
"""The operator that writes a whole class after examples: the paper's."""


class Generational:
    """One run of a campaign in rounds; everything is read back from the archive."""

    def __init__(self, breeder: Breeder) -> None:
        config, parts = breeder.config, breeder.parts
        assert config.rounds is not None
        self._breeder, self._store, self._config = breeder, breeder.store, config
        self._event_order, self._tuner, self._offers = breeder.event_order, parts.tuner, parts.offers
        self._table: RoundsTable = config.rounds
        self._index = next(i for i, each in enumerate(config.operators) if each.name == REWRITE)
        lm = next(each for each in config.lm if each.name == config.operators[self._index].lm)
        # In a replay whoever's turn it is must be under way.
        self._calls = asyncio.Semaphore(1 << 30 if breeder.replaying else lm.concurrency)
        # In a pool whose slots come and go each child waits for its own.
        unbounded = breeder.replaying or parts.pool is not None
        self._slots = asyncio.Semaphore(1 << 30 if unbounded else parts.workers)

    async def run(self) -> Ending:
        """Makes rounds until all are made, the budget is spent, a stop, or until going on is no use."""
        work = asyncio.create_task(self._rounds())
        try:
            while not work.done() and self._breeder.ending() is not REPLAYED:
                await self._breeder.first_of([work])
            return work.result() if work.done() else REPLAYED
        finally:
            await abandon([work])

    async def _rounds(self) -> Ending:
        for number in range(self._table.rounds):
            if ending := self._breeder.ending():
                return ending
            begun = self._begun(number)
            if begun is None and (spent := self._breeder.lm_budget.spent()):
                return Ending(spent, complete=True)
            begun = begun or await self._begin(number)
            if begun is None:
                return self._breeder.ending() or STOPPED
            await self._breed(number, begun)
        spent = self._breeder.lm_budget.spent()
        return self._breeder.ending() or Ending(
            spent or f"all {self._table.rounds} rounds are made", complete=True
        )

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
        if self._tuner is not None and chosen.training and not self._breeder.replaying:
            tuned = await self._tune(self._tuner, number, chosen.training, str(detail["soft_prompt"]))
            if tuned is None:
                return None
            detail |= {"soft_prompt": tuned.digest, "tuning": tuned.as_json()}
        # The file of the soft prompt is there before this row names it.
        self._store.event("round", detail=detail)
        return detail

    async def _tune(self, tuner: Tuner, number: int, training: Sequence[int], after: str) -> Tuned | None:
        """The round's soft prompt, which goes on from `after`; None: a stop or the clock's end came first."""
        data = tuning_data(self._store, training, self._config, self._offers)
        self._store.event("tuning", detail={"round": number, **data.as_json()})
        tune = asyncio.create_task(tuner.tune(data, after=after, number=number))
        try:
            while not tune.done() and not self._breeder.ending():
                await self._breeder.first_of([tune], self._breeder.budget.seconds_left())
            return tune.result() if tune.done() else None
        finally:
            await abandon([tune])

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
                if ProposalContext.from_json(proposal.context).round == number - 1:
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
            context = ProposalContext.from_json(proposal.context)
            if context.round == number:
                batches.setdefault(context.prompt, []).append(proposal)
        for prompt in range(self._table.prompts):
            if prompt not in batches:
                batches[prompt] = await self._draw(number, prompt, begun)
        await together(self._batch(batches[prompt]) for prompt in sorted(batches))

    async def _draw(self, number: int, prompt: int, begun: Mapping[str, object]) -> list[Proposal]:
        batch = self._store.next_number()
        await self._event_order.wait(("drawn", batch))
        steering = self._breeder.steering(batch)
        rng = stream(self._config.campaign.seed, "prompt", number, prompt)
        allowed = [each for each in _ids(begun["parents"]) if each not in steering.vetoed]
        drawn = examples_for(allowed or _ids(begun["parents"]), self._table.examples, rng)
        metrics = {identity: self._metrics(self._store.candidate(identity)) for identity in drawn}
        context = ProposalContext(
            slot=(number * self._table.prompts + prompt) * self._table.samples,
            count=self._table.samples,
            table=self._index,
            metrics=metrics,
            targets=targets(list(metrics.values())),
            temperature=rng.choice(self._table.temperatures),
            lm=self._config.operators[self._index].lm,
            round=number,
            prompt=prompt,
            soft_prompt=str(begun["soft_prompt"]),
            steering=steering,
        )
        proposals = self._store.draw(REWRITE, drawn, self._table.samples, context.as_json())
        self._event_order.done(("drawn", batch))
        return proposals

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
            return () if self._breeder.ending() else await self._breeder.write(missing, self._index)

    async def _child(self, child: Child | Candidate) -> None:
        async with self._slots:
            if self._breeder.ending():
                return
            identity = child.id if isinstance(child, Candidate) else child.proposal.candidate
            if isinstance(child, Candidate):
                candidate: Candidate | None = child
                if not self._event_order.ends(child.id):
                    return
            else:
                await self._event_order.wait(("admitted", child.proposal.candidate))
                candidate = admit(self._store, self._event_order, child)
            if candidate is None:
                self._breeder.untrained(identity)
            elif await self._breeder.start(candidate.id):
                self._breeder.settled(candidate.id)


def _ids(value: object) -> list[int]:
    assert isinstance(value, Sequence)
    return [int(each) for each in value]
