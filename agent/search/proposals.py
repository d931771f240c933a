"""A draw: the parents and all that an operator is told for some slots, written down before it works."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from evoarch.agent.base.errors import UserError
from evoarch.agent.base.ordering import SlotSpan, Steering
from evoarch.agent.base.proposal_context import ProposalContext
from evoarch.agent.base.rng import stream
from evoarch.agent.config.load import Config
from evoarch.agent.operators.base import Operator
from evoarch.agent.search.feedback import Memory
from evoarch.agent.search.goals import gap_targets, shown_front
from evoarch.agent.search.selection import SelectionMethod, select, targets
from evoarch.agent.statistics.objectives import deciding
from evoarch.archive.records import Candidate, Proposal
from evoarch.archive.scored import ScoredView
from evoarch.archive.store import Store
from evoarch.prompts.contexts import NO_FRONT, NOTHING, Feedback, Front

TEMPERATURES = (0.2, 0.6, 0.8, 1.0)
"""What a prompt's temperature is drawn from (EvoPrompting, section 4.1)."""

REPAIR = "lm.repair"
"""The operator whose children begin with a failed one."""


@dataclass(frozen=True)
class ProposalDrawer:
    """Draws from the archive as it is now. `operators` stand in the order of the config's tables; `choose`
    is a user's own selection method, None where the config names a built-in one.
    """

    store: Store
    config: Config
    operators: Sequence[Operator]
    choose: SelectionMethod | None = None
    memory: Memory = field(init=False)
    scored: ScoredView = field(init=False)

    def __post_init__(self) -> None:
        memory = Memory(self.store, self.config.feedback, deciding(self.config.selection))
        object.__setattr__(self, "memory", memory)
        object.__setattr__(self, "scored", ScoredView(self.store))

    def draw_all(self, spans: Sequence[SlotSpan], steering: Steering) -> list[list[Proposal]]:
        """Draws for several spans in one transaction, as `draw` does for each."""
        with self.store.transaction():
            scored = self.scored.read()
            return [self.draw(span, steering, scored) for span in spans]

    def draw(
        self, span: SlotSpan, steering: Steering, scored: Sequence[Candidate] | None = None
    ) -> list[Proposal]:
        """Chooses parents, targets, temperature and feedback for the slots of `span`, and records them.

        `scored`: the store's scored candidates, where they were read already. The proposals, one for each
        slot. Raises UserError where the span's operator is no longer there.
        """
        if span.operator >= len(self.operators):
            raise UserError("replay: the campaign's [[operators]] were edited after it was recorded", code=1)
        rng = stream(self.config.campaign.seed, "draw", self.store.next_number())
        broken: Candidate | None = None
        if self.operators[span.operator].name == REPAIR:
            broken = self.memory.mendable(steering, chat=self._chat(span))
            if broken is None and (other := self._instead()) is not None:
                span = replace(span, operator=other)
        operator = self.operators[span.operator]
        scored = self.scored.read() if scored is None else scored
        if broken is not None:
            # A failed child is no parent: what mends it descends from its parents.
            parents = [self.store.candidate(parent) for parent in broken.parents]
        else:
            parents = select(scored, operator.arity, rng, self.config.selection, steering, self.choose)
        context = ProposalContext(
            slot=span.slot,
            count=span.count,
            table=span.operator,
            metrics={p.id: p.metrics for p in parents},
            targets=self._targets(parents, scored) if parents else {},
            temperature=rng.choice(TEMPERATURES),
            lm=self.config.operators[span.operator].lm,
            repairs=broken.id if broken else None,
            steering=steering,
            drafts=span.drafts,
            feedback=self._feedback(span, parents, scored),
            front=self._front(span, scored),
        )
        return self.store.draw(operator.name, [p.id for p in parents], span.count, context.as_json())

    def _targets(self, parents: Sequence[Candidate], scored: Sequence[Candidate]) -> dict[str, float]:
        names, rows = deciding(self.config.selection), [p.metrics for p in parents]
        if self.config.prompts.target == "parents":
            return targets(rows, names)
        rng = stream(self.config.campaign.seed, "target", self.store.next_number())
        return gap_targets([c.metrics for c in scored], rows, names, rng)

    def _front(self, span: SlotSpan, scored: Sequence[Candidate]) -> Front:
        if not self._chat(span):
            return NO_FRONT
        rows, names = [c.metrics for c in scored], deciding(self.config.selection)
        return shown_front(rows, names, self.config.prompts.front)

    def _feedback(
        self, span: SlotSpan, parents: Sequence[Candidate], scored: Sequence[Candidate]
    ) -> Feedback:
        told = self.config.feedback.models
        asks = bool(self.config.operators[span.operator].lm)
        if not (parents and asks and (told == "all" or (told == "chat" and self._chat(span)))):
            return NOTHING
        return self.memory.of(parents, scored)

    def _chat(self, span: SlotSpan) -> bool:
        """Whether the operator's model is instructed."""
        name = self.config.operators[span.operator].lm
        return any(lm.chat for lm in self.config.lm if lm.name == name)

    def _instead(self) -> int | None:
        """Who makes the children where nothing is to be mended; the record keeps that, not the choice."""
        tables = self.config.operators
        others = [number for number, table in enumerate(tables) if table.name != REPAIR]
        rng = stream(self.config.campaign.seed, "instead", self.store.next_number())
        return rng.choices(others, [tables[number].weight for number in others])[0] if others else None
