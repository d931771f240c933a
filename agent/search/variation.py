"""From a drawn batch to vetted drafts: the operator works, its drafts are read, canonicalised and vetted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from evoarch.agent.base.ordering import EventOrder, notes_in
from evoarch.agent.base.rng import stream
from evoarch.agent.config.load import Config
from evoarch.agent.evaluation.vetting import findings_of, in_one_line
from evoarch.agent.lm.base import LM, LMError
from evoarch.agent.lm.budget import LMBudget, OutOfBudgetError
from evoarch.agent.lm.calls import LoggedCalls
from evoarch.agent.operators.base import BrokenParent, Draft, Operator, Order, Parent
from evoarch.agent.search.feedback import findings_about, from_json
from evoarch.agent.seeding.frozen import Opening
from evoarch.agent.seeding.lineage import EditableRegions
from evoarch.archive.errors import ArchiveError
from evoarch.archive.records import Candidate, Proposal, State
from evoarch.archive.store import Store
from evoarch.sandbox.genome import source_digest
from evoarch.sandbox.outcome import Finding
from evoarch.sandbox.parsing import GenomeError


@dataclass(frozen=True)
class Child:
    """A child as it came: its proposal, its source, and either a digest or the reason it can't go on."""

    proposal: Proposal
    source: str
    digest: str = ""
    problem: str = ""
    change: str = ""
    asked: bool = False
    """Whether an LM was asked; `unanswered`: and did not answer."""
    unanswered: bool = False
    parsed: bool = True
    """Whether a source could be read, whatever was found in it."""


def order_of(
    batch: Sequence[Proposal],
    parents: Sequence[Candidate],
    offers: Mapping[str, object],
    openings: Sequence[Opening | None] = (),
    broken: BrokenParent | None = None,
) -> Order:
    """What the operator is asked for, from the archive alone: a batch lost in a crash is made again.

    Where the first parent has an opening, the operator sees its open parts in full and the rest as
    signatures, and `entry` is the open definition whose turn it is. Others of that seed are shown so too;
    one of another seed is shown whole, since what is taken from it must stand in the child.
    """
    first = openings[0] if openings else None
    shown = [
        first.view(p.source) if first is not None and opening is first else p.source
        for p, opening in zip(parents, openings or [None] * len(parents), strict=True)
    ]
    context = batch[0].context
    metrics = context["metrics"]
    assert isinstance(metrics, Mapping)
    notes = notes_in(context)
    wanted = context["targets"]
    assert isinstance(wanted, Mapping)
    # A prompt shows what it asks for: other metrics, some of them noise, would only distract.
    shown_of = {i: {n: v for n, v in row.items() if n in wanted or not wanted} for i, row in metrics.items()}
    return Order(
        count=int(str(context["count"])),
        parents=[
            Parent(p.id, text, shown_of[str(p.id)], notes.get(p.id, ""))
            for p, text in zip(parents, shown, strict=True)
        ],
        targets=dict(wanted),
        temperature=float(str(context["temperature"])),
        entry=first.target(batch[0].batch) if first else "Model",
        offers=offers,
        broken=broken,
        feedback=from_json(context),
        soft_prompt=str(context.get("soft_prompt", "")),
    )


@dataclass(frozen=True)
class ProposalWriter:
    """Makes the children of drawn batches."""

    store: Store
    config: Config
    offers: Mapping[str, object]
    seed: int
    openings: EditableRegions
    lm_budget: LMBudget
    passed: Callable[[int], bool] = lambda candidate: False
    """Whether a candidate is not to be vetted: in a replay, where the record let it in."""

    async def write(self, batch: Sequence[Proposal], operator: Operator, lm: LM | None) -> list[Child]:
        """The batch's children, in its order. An LM that gives up on a call costs its children, not the run.

        Raises LMError (not retriable) when no further call can work either, OutOfBudgetError where none
        may be sent.
        """
        first = batch[0]
        parents = [self.store.candidate(i) for i in first.parents]
        openings = [self.openings.of(i) for i in first.parents]
        broken = self._broken(first, openings)
        order = order_of(batch, parents, self.offers, openings, broken)
        complete = LoggedCalls(self.store, lm, first.batch, self.lm_budget) if lm else None
        unanswered = False
        try:
            drafts = await operator.propose(order, stream(self.seed, "proposal", first.batch), complete)
        except LMError as error:
            if not error.retriable:
                raise
            unanswered = True
            drafts = [Draft("", problem=f"the LM did not answer: {error}")] * order.count
        except (ArchiveError, OutOfBudgetError):
            raise
        except Exception as error:  # noqa: BLE001 an operator's fault costs its children; raised, it would meet every rerun
            drafts = [Draft("", problem=f"{operator.name} failed: {error!r}")] * order.count
        changed = (parents[0], openings[0]) if parents and openings[0] else None
        return [
            replace(
                self._read(p, drafts[p.ordinal], order.entry, changed),
                asked=lm is not None,
                unanswered=unanswered,
            )
            for p in batch
        ]

    def _broken(self, proposal: Proposal, openings: Sequence[Opening | None]) -> BrokenParent | None:
        """The child that a proposal is to mend, as its operator wrote it: of a frozen file, the open part."""
        identity = proposal.context.get("repairs")
        if not isinstance(identity, int):
            return None
        child = self.store.candidate(identity)
        # What failed is the child after its shape repairs; what was rejected is a view already.
        tried = [each.detail.get("source", child.source) for each in self.store.evaluations(identity)]
        text = str(tried[-1]) if tried and child.state is State.FAILED else child.source
        opening = openings[0] if openings else None
        if opening is not None and child.state is State.FAILED:
            text = opening.view(text)
        return BrokenParent(identity, text, findings_about(self.store.relatives.reason(identity)))

    def _read(
        self, proposal: Proposal, draft: Draft, entry: str, changed: tuple[Candidate, Opening | None] | None
    ) -> Child:
        text = clean(draft.source or draft.text)
        if draft.problem:
            return Child(proposal, text, problem=clean(draft.problem), change=draft.change, parsed=False)
        source, findings, opening = draft.source, list[Finding](), None
        if changed and (opening := changed[1]):
            source, findings = opening.merged(draft.source, changed[0].source, entry)
        if not findings and not self.passed(proposal.candidate):
            findings = findings_of(source, self.config, self.offers, opening=opening)
        if findings:
            return Child(proposal, text, problem=in_one_line(findings), change=draft.change)
        try:
            return Child(proposal, source, source_digest(source), change=draft.change)
        except GenomeError as error:
            return Child(proposal, text, problem=str(error), change=draft.change)


MOST_KEPT = 20_000
"""Characters of a rejected reply that the candidate keeps; the whole reply stands with its LM call."""


def clean(text: str) -> str:
    """`text` as any SQLite tool can store and show it."""
    return text[:MOST_KEPT].encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")


def admit(store: Store, event_order: EventOrder, bred: Child) -> Candidate | None:
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
        event_order.done(("admitted", identity))
        return store.candidate(identity)
    event_order.done(("admitted", identity))
    return None
