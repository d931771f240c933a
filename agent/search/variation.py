"""From a drawn batch to its children: the operator works, its drafts are read, vetted and recorded."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from evoarch.agent.base.ordering import EventOrder
from evoarch.agent.base.proposal_context import ProposalContext
from evoarch.agent.base.rng import stream
from evoarch.agent.config.load import Config
from evoarch.agent.evaluation import last_resort
from evoarch.agent.evaluation.vetting import as_json, findings_of, in_one_line
from evoarch.agent.lm.base import LM, LMError
from evoarch.agent.lm.budget import LMBudget, OutOfBudgetError
from evoarch.agent.lm.calls import LoggedCalls
from evoarch.agent.operators.base import BrokenParent, Draft, Operator, Order, Parent
from evoarch.agent.search.feedback import findings_about
from evoarch.agent.seeding.frozen import Opening
from evoarch.agent.seeding.lineage import EditableRegions
from evoarch.agent.statistics.objectives import deciding
from evoarch.archive.errors import ArchiveError
from evoarch.archive.records import Candidate, Proposal, State
from evoarch.archive.store import Store
from evoarch.prompts.contexts import NO_CARD, TaskCard
from evoarch.sandbox.genome import source_digest
from evoarch.sandbox.outcome import Finding
from evoarch.sandbox.parsing import GenomeError


@dataclass(frozen=True)
class Accepted:
    """A child that vetting found nothing wrong with. `digest`: of its canonical source. `change`: what its
    operator says it did.
    """

    proposal: Proposal
    source: str
    digest: str
    change: str = ""


@dataclass(frozen=True)
class Unvetted:
    """A draft that was read. Of many that are compared only the one that is picked is vetted. `text`: as the
    operator wrote it; `source`: the whole model file.
    """

    proposal: Proposal
    text: str
    source: str
    change: str = ""


@dataclass(frozen=True)
class Rejected:
    """A child that can't be run. `text`: as the operator wrote it. `findings`: what vetting found; none where
    no source could be read, and `reason` says why.
    """

    proposal: Proposal
    text: str
    findings: Sequence[Finding] = ()
    reason: str = ""
    change: str = ""

    @property
    def problem(self) -> str:
        """In one line."""
        return self.reason or in_one_line(self.findings)


@dataclass(frozen=True)
class Unanswered:
    """A child that the language model was asked for and did not give. `problem`: why, in one line."""

    proposal: Proposal
    problem: str


Child = Accepted | Rejected | Unanswered
"""What came of one proposal."""

AsDrafted = Unvetted | Rejected | Unanswered
"""What came of one draft so far."""


def order_of(
    batch: Sequence[Proposal],
    parents: Sequence[Candidate],
    offers: Mapping[str, object],
    openings: Sequence[Opening | None] = (),
    broken: BrokenParent | None = None,
    card: TaskCard = NO_CARD,
    check: Callable[[str], str] = lambda source: "",
    scored: Callable[[], Sequence[Parent]] = lambda: (),
) -> Order:
    """What the operator is asked for. All of it is in the archive, so that a lost batch can be made again.

    `openings`: of each parent, which parts of its source may change (None: all). Of the first parent, and of
    others from the same seed, the operator sees the parts that may change in full and the rest as signatures;
    parents from other seeds are shown whole. `entry` is the part that is changed this time. `broken`: the
    child that is to be mended. `card`: what prompts say of the task. `check`: what vetting finds in a source.
    `scored`: as operators.base.Order has it.
    """
    first = openings[0] if openings else None
    shown = [
        first.view(p.source) if first is not None and opening is first else p.source
        for p, opening in zip(parents, openings or [None] * len(parents), strict=True)
    ]
    context = ProposalContext.from_json(batch[0].context)
    notes, wanted = context.steering.notes, context.targets
    # A prompt shows what it asks for: other metrics, some of them noise, would only distract.
    shown_of = {
        i: {n: v for n, v in row.items() if n in wanted or not wanted} for i, row in context.metrics.items()
    }
    return Order(
        count=context.count,
        parents=[
            Parent(p.id, text, shown_of[p.id], notes.get(p.id, ""))
            for p, text in zip(parents, shown, strict=True)
        ],
        targets=wanted,
        temperature=context.temperature,
        entry=first.target(batch[0].batch) if first else "Model",
        offers=offers,
        broken=broken,
        feedback=context.feedback,
        soft_prompt=context.soft_prompt,
        card=card,
        front=context.front,
        check=check,
        scored=scored,
    )


@dataclass(frozen=True)
class ProposalWriter:
    """Makes the children of drawn batches. `accepted`: whether a candidate skips vetting; in a replay,
    candidates that the original run accepted do, so that rules added later do not change it.
    """

    store: Store
    config: Config
    offers: Mapping[str, object]
    seed: int
    openings: EditableRegions
    lm_budget: LMBudget
    accepted: Callable[[int], bool] = lambda candidate: False
    card: TaskCard = NO_CARD

    async def write(self, batch: Sequence[Proposal], operator: Operator, lm: LM | None) -> list[Child]:
        """The batch's children, in its order. A call that fails costs its children, not the run.

        Raises as `draft` does.
        """
        return [
            self.vetted(each) if isinstance(each, Unvetted) else each
            for each in await self.draft(batch, operator, lm)
        ]

    async def draft(self, batch: Sequence[Proposal], operator: Operator, lm: LM | None) -> list[AsDrafted]:
        """The batch's children, in its order, as they are before vetting.

        Raises LMError (not retriable) when no further call can work either, OutOfBudgetError where none
        may be sent.
        """
        first = batch[0]
        parents = [self.store.candidate(i) for i in first.parents]
        openings = [self.openings.of(i) for i in first.parents]
        broken = self._broken(first, openings)
        changed = (parents[0], openings[0]) if parents and openings[0] else None
        entry = openings[0].target(first.batch) if openings and openings[0] else "Model"

        def check(text: str) -> str:
            source, findings = _merged(text, entry, changed)
            opening = changed[1] if changed else None
            found = findings or findings_of(source, self.config, self.offers, opening=opening)
            return in_one_line(found)

        def scored() -> list[Parent]:
            # Of a frozen file operators see the open part alone, which is no model file.
            whole = not openings or openings[0] is None
            return scored_before(self.store, self.config, first) if whole else []

        order = order_of(batch, parents, self.offers, openings, broken, self.card, check, scored)
        complete = LoggedCalls(self.store, lm, first.batch, self.lm_budget) if lm else None
        try:
            drafts = await operator.propose(order, stream(self.seed, "proposal", first.batch), complete)
        except LMError as error:
            if not error.retriable:
                raise
            return [Unanswered(p, clean(f"the LM did not answer: {error}")) for p in batch]
        except (ArchiveError, OutOfBudgetError):
            raise
        except Exception as error:  # noqa: BLE001 an operator's fault costs its children; raised, it would meet every rerun
            return [Rejected(p, "", reason=clean(f"{operator.name} failed: {error!r}")) for p in batch]
        return [self._read(p, drafts[p.ordinal], order.entry, changed) for p in batch]

    def vetted(self, draft: Unvetted) -> Accepted | Rejected:
        """The draft as it is let in, or what keeps it out."""
        proposal, text, source = draft.proposal, draft.text, draft.source
        try:
            opening = self.openings.of(proposal.parents[0]) if proposal.parents else None
            if not self.accepted(proposal.candidate) and (
                findings := findings_of(source, self.config, self.offers, opening=opening)
            ):
                return Rejected(proposal, text, findings, change=draft.change)
            return Accepted(proposal, source, source_digest(source), draft.change)
        except GenomeError as error:
            return Rejected(proposal, text, reason=str(error), change=draft.change)
        except Exception as error:  # noqa: BLE001 - the last resort: a parser's fault costs this child alone
            reason = last_resort.note(self.store, proposal.candidate, error)
            return Rejected(proposal, text, reason=reason, change=draft.change)

    def _broken(self, proposal: Proposal, openings: Sequence[Opening | None]) -> BrokenParent | None:
        """The child that a proposal is to mend, as its operator wrote it: of a frozen file, the open part."""
        identity = ProposalContext.from_json(proposal.context).repairs
        if identity is None:
            return None
        child = self.store.candidate(identity)
        # What failed is the child after its shape repairs; what was rejected is a view already.
        tried = [each.detail.get("source", child.source) for each in self.store.evaluations(identity)]
        text = str(tried[-1]) if tried and child.state is State.FAILED else child.source
        opening = openings[0] if openings else None
        if opening is not None and child.state is State.FAILED:
            text = opening.view(text)
        return BrokenParent(identity, text, findings_about(self.store, identity))

    def _read(
        self, proposal: Proposal, draft: Draft, entry: str, changed: tuple[Candidate, Opening | None] | None
    ) -> Unvetted | Rejected:
        text = clean(draft.source or draft.text)
        if draft.problem:
            return Rejected(proposal, text, reason=clean(draft.problem), change=draft.change)
        try:
            source, findings = _merged(draft.source, entry, changed)
        except Exception as error:  # noqa: BLE001 - the last resort: a parser's fault costs this child alone
            reason = last_resort.note(self.store, proposal.candidate, error)
            return Rejected(proposal, text, reason=reason, change=draft.change)
        if findings:
            return Rejected(proposal, text, findings, change=draft.change)
        return Unvetted(proposal, text, source, draft.change)


def scored_before(store: Store, config: Config, proposal: Proposal) -> list[Parent]:
    """What was scored when `proposal` was drawn, with the metrics that decide, as the first training found
    them: later repeats and audits do not change what an operator sees.
    """
    names = deciding(config.selection)
    return [
        Parent(candidate, source, {name: metrics[name] for name in names if name in metrics})
        for candidate, source, metrics in store.first_scores(proposal.saw)
    ]


def _merged(
    text: str, entry: str, changed: tuple[Candidate, Opening | None] | None
) -> tuple[str, list[Finding]]:
    """The whole source of a draft's text, and what touches frozen code in it."""
    if changed and (opening := changed[1]):
        source, findings = opening.merged(text, changed[0].source, entry)
        return source, list(findings)
    return text, []


MOST_KEPT = 20_000
"""Characters of a rejected reply that the candidate keeps; the whole reply stands with its LM call."""


def clean(text: str) -> str:
    """`text` as any SQLite tool can store and show it."""
    return text[:MOST_KEPT].encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")


def admit(store: Store, event_order: EventOrder, child: Child) -> Candidate | None:
    """Records what came of a proposal; the candidate to grade, None where there is nothing to grade."""
    identity = child.proposal.candidate
    fresh = False
    match child:
        case Accepted(_, source, digest, change):
            first = store.find_source(digest, exclude=identity)
            fresh = first is None
            if first is None:
                store.arrive(identity, source, digest, change)
            else:
                store.duplicate(identity, of=first, source=source, source_digest=digest, reason="same source")
        case _:
            record_rejected(store, child)
    event_order.done(("admitted", identity))
    return store.candidate(identity) if fresh else None


def record_rejected(store: Store, child: Rejected | Unanswered) -> None:
    """Records a child that brought no source which could be let in."""
    match child:
        case Rejected(proposal, text, findings):
            found = as_json(findings)
            store.reject(proposal.candidate, text, child.problem, change=child.change, findings=found)
        case Unanswered(proposal, problem):
            store.reject(proposal.candidate, "", problem)
