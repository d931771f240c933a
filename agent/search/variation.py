"""From a drawn batch to vetted drafts: the operator works, its drafts are read, canonicalised and vetted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from evoarch.agent.config.load import Config
from evoarch.agent.lm.base import LM, LMError
from evoarch.agent.lm.budget import OutOfBudgetError, Purse
from evoarch.agent.lm.calls import LoggedCalls
from evoarch.agent.operators.base import Broken, Draft, Operator, Order, Parent
from evoarch.agent.search.feedback import findings_about, from_json
from evoarch.agent.search.scheduler import stream
from evoarch.agent.search.selection import notes_in
from evoarch.agent.seeding.frozen import Opening
from evoarch.agent.seeding.lineage import Openings
from evoarch.archive.errors import ArchiveError
from evoarch.archive.records import Candidate, Proposal, State
from evoarch.archive.store import Store
from evoarch.sandbox.genome import GenomeError, source_digest
from evoarch.sandbox.outcome import Finding
from evoarch.sandbox.vet import vet


@dataclass(frozen=True)
class Bred:
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


def findings_of(
    source: str,
    config: Config,
    offers: Mapping[str, object],
    entry: str = "Model",
    opening: Opening | None = None,
) -> list[Finding]:
    """What keeps `source` from running; where the campaign only reports, what touches frozen code."""
    found: list[Finding] = []
    if config.sandbox.vet != "report":
        found = vet(
            source,
            entry=entry,
            offers=offers,
            imports=config.sandbox.imports,
            recipe=config.evaluation.recipe_search,
        )
    return found if opening is None else opening.findings(source, found)


def in_one_line(findings: Sequence[Finding]) -> str:
    """All findings of a genome, as a rejection's note."""
    return "; ".join(str(finding) for finding in findings)


def order_of(
    batch: Sequence[Proposal],
    parents: Sequence[Candidate],
    offers: Mapping[str, object],
    openings: Sequence[Opening | None] = (),
    broken: Broken | None = None,
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
    return Order(
        count=int(str(context["count"])),
        parents=[
            Parent(p.id, text, metrics[str(p.id)], notes.get(p.id, ""))
            for p, text in zip(parents, shown, strict=True)
        ],
        targets=dict(context["targets"]),  # type: ignore[call-overload]
        temperature=float(str(context["temperature"])),
        entry=first.target(batch[0].batch) if first else "Model",
        offers=offers,
        broken=broken,
        feedback=from_json(context),
        soft_prompt=str(context.get("soft_prompt", "")),
    )


@dataclass(frozen=True)
class Writer:
    """Makes the children of drawn batches."""

    store: Store
    config: Config
    offers: Mapping[str, object]
    seed: int
    openings: Openings
    purse: Purse
    passed: Callable[[int], bool] = lambda candidate: False
    """Whether a candidate is not to be vetted: in a replay, where the record let it in."""

    async def write(self, batch: Sequence[Proposal], operator: Operator, lm: LM | None) -> list[Bred]:
        """The batch's children, in its order. An LM that gives up on a call costs its children, not the run.

        Raises LMError (not retriable) when no further call can work either, OutOfBudgetError where none
        may be sent.
        """
        first = batch[0]
        parents = [self.store.candidate(i) for i in first.parents]
        openings = [self.openings.of(i) for i in first.parents]
        broken = self._broken(first, openings)
        order = order_of(batch, parents, self.offers, openings, broken)
        complete = LoggedCalls(self.store, lm, first.batch, self.purse) if lm else None
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

    def _broken(self, proposal: Proposal, openings: Sequence[Opening | None]) -> Broken | None:
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
        return Broken(identity, text, findings_about(self.store.reason(identity)))

    def _read(
        self, proposal: Proposal, draft: Draft, entry: str, changed: tuple[Candidate, Opening | None] | None
    ) -> Bred:
        text = clean(draft.source or draft.text)
        if draft.problem:
            return Bred(proposal, text, problem=clean(draft.problem), change=draft.change, parsed=False)
        source, findings, opening = draft.source, list[Finding](), None
        if changed and (opening := changed[1]):
            source, findings = opening.merged(draft.source, changed[0].source, entry)
        if not findings and not self.passed(proposal.candidate):
            findings = findings_of(source, self.config, self.offers, opening=opening)
        if findings:
            return Bred(proposal, text, problem=in_one_line(findings), change=draft.change)
        try:
            return Bred(proposal, source, source_digest(source), change=draft.change)
        except GenomeError as error:
            return Bred(proposal, text, problem=str(error), change=draft.change)


MOST_KEPT = 20_000
"""Characters of a rejected reply that the candidate keeps; the whole reply stands with its LM call."""


def clean(text: str) -> str:
    """`text` as any SQLite tool can store and show it."""
    return text[:MOST_KEPT].encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")
