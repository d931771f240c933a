"""From a drawn batch to vetted drafts: the operator works, its drafts are read, canonicalised and vetted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from agent.calls import LoggedCalls
from agent.config import Config
from agent.lm.seam import LM, LMError
from agent.operators.base import Draft, Operator, Order, Parent
from agent.plan import stream
from archive.records import Candidate, Proposal
from archive.store import Store
from sandbox.genome import GenomeError, source_digest
from sandbox.outcome import Finding
from sandbox.vet import vet


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


def findings_of(
    source: str, config: Config, offers: Mapping[str, object], entry: str = "Model"
) -> list[Finding]:
    """The findings that keep `source` from running; none where the campaign only reports them."""
    if config.sandbox.vet == "report":
        return []
    return vet(source, entry=entry, offers=offers, imports=config.sandbox.imports)


def in_one_line(findings: Sequence[Finding]) -> str:
    """All findings of a genome, as a rejection's note."""
    return "; ".join(str(finding) for finding in findings)


def order_of(batch: Sequence[Proposal], parents: Sequence[Candidate], offers: Mapping[str, object]) -> Order:
    """What the operator is asked for, from the archive alone: a batch lost in a crash is made again."""
    context = batch[0].context
    metrics = context["metrics"]
    assert isinstance(metrics, Mapping)
    return Order(
        count=int(str(context["count"])),
        parents=[Parent(p.id, p.source, metrics[str(p.id)]) for p in parents],
        targets=dict(context["targets"]),  # type: ignore[call-overload]
        temperature=float(str(context["temperature"])),
        offers=offers,
    )


@dataclass(frozen=True)
class Writer:
    """Makes the children of drawn batches."""

    store: Store
    config: Config
    offers: Mapping[str, object]
    seed: int

    async def write(self, batch: Sequence[Proposal], operator: Operator, lm: LM | None) -> list[Bred]:
        """The batch's children, in its order. An LM that gives up on a call costs its children, not the run.

        Raises LMError (not retriable) when no further call can work either.
        """
        first = batch[0]
        order = order_of(batch, [self.store.candidate(i) for i in first.parents], self.offers)
        complete = LoggedCalls(self.store, lm, first.batch) if lm else None
        unanswered = False
        try:
            drafts = await operator.propose(order, stream(self.seed, "proposal", first.batch), complete)
        except LMError as error:
            if not error.retriable:
                raise
            unanswered = True
            drafts = [Draft("", problem=f"the LM did not answer: {error}")] * order.count
        except Exception as error:  # noqa: BLE001 an operator's fault costs its children; raised, it would meet every rerun
            drafts = [Draft("", problem=f"{operator.name} failed: {error!r}")] * order.count
        return [
            replace(self._read(p, drafts[p.ordinal]), asked=lm is not None, unanswered=unanswered)
            for p in batch
        ]

    def _read(self, proposal: Proposal, draft: Draft) -> Bred:
        text = clean(draft.source or draft.text)
        if draft.problem:
            return Bred(proposal, text, problem=clean(draft.problem))
        findings = findings_of(draft.source, self.config, self.offers)
        if findings:
            return Bred(proposal, text, problem=in_one_line(findings))
        try:
            return Bred(proposal, draft.source, source_digest(draft.source), change=draft.change)
        except GenomeError as error:
            return Bred(proposal, text, problem=str(error))


MOST_KEPT = 20_000
"""Characters of a rejected reply that the candidate keeps; the whole reply stands with its LM call."""


def clean(text: str) -> str:
    """`text` as any SQLite tool can store and show it."""
    return text[:MOST_KEPT].encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")
