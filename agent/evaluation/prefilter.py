"""Turning away before training: a zero-cost score, judged at arrival among recent children of about one size.

Such scores rise with size, as accuracy does, and under an objective that prices size they would push the
wrong way; so a child is compared with none that is much smaller or larger.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from evoarch.agent.base.decision import Decision
from evoarch.agent.base.errors import UserError
from evoarch.agent.base.ordering import EventOrder
from evoarch.agent.config.load import Config
from evoarch.agent.config.measuring import FilterTable
from evoarch.agent.evaluation.halving import audited
from evoarch.archive.records import Candidate
from evoarch.archive.screens import FILTER
from evoarch.archive.store import Store
from evoarch.evaluators.replies import DryRunPassed
from evoarch.evaluators.zero_cost import PARAMS, ZeroCost, ZeroCostScorer


def decide(table: FilterTable, mine: float, near: Sequence[float], *, name: tuple[int, str]) -> Decision:
    """What becomes of an arrival with the score `mine`, `near` being those of the recent ones of its size.

    `name`: the campaign's seed and the candidate's source digest, of which the audit is a function. Of
    equals the earlier one stands first.
    """
    # Shares like 0.1 are no binary fractions: 0.1 x 30 is 3, not a little more.
    promoted = math.ceil(table.keep * (len(near) + 1) - 1e-9)
    if sum(other >= mine for other in near) < promoted:
        return Decision.PROMOTED
    return Decision.AUDITED_STOPPED if audited(FILTER, *name) else Decision.STOPPED


@dataclass(frozen=True)
class Prefilter:
    """The filter of one campaign. The archive knows each decision."""

    store: Store
    config: Config
    event_order: EventOrder
    evaluator: object

    @property
    def scores(self) -> tuple[str, ...]:
        """Those that a child is needed for."""
        table = self.config.filter
        return tuple(dict.fromkeys(name for name in (table.score, *table.watch) if name not in ("", PARAMS)))

    def check(self) -> None:
        """Raises UserError where the campaign's evaluator has no such scores."""
        if self.scores and not isinstance(self.evaluator, ZeroCostScorer):
            raise UserError(
                f"filter: expected a task that the common evaluator trains for {', '.join(self.scores)};"
                f" {self.config.campaign.task} brings its own"
            )

    async def passes(self, candidate: Candidate, source: str, digest: str, sound: DryRunPassed) -> bool:
        """Whether it goes on to training; if not, it is stopped, and settled. Judged once, crash or not."""
        table = self.config.filter
        if not (self.scores or table.score) or self.store.filter.decision(candidate.id) is not None:
            return True
        found = await self._scored(source, digest)
        values = {**found.values, PARAMS: float(sound.params)}
        # It depends on who arrived before, so it has its place in the order.
        step = (FILTER, candidate.id)
        await self.event_order.wait(step)
        decision = self._decide(values, sound.params, digest)
        note = "" if decision.goes_on else _note(table, values, sound.params)
        self.store.filter.add(
            candidate.id,
            decision.value,
            values,
            params=sound.params,
            cpu_seconds=found.cpu_seconds,
            note=note,
            reason=found.reason,
        )
        self.event_order.done(step)
        return not note

    async def _scored(self, source: str, digest: str) -> ZeroCost:
        if not self.scores:
            return ZeroCost()
        assert isinstance(self.evaluator, ZeroCostScorer), "checked before the campaign began"
        return await self.evaluator.zero_cost(source, digest=digest, scores=self.scores)

    def _decide(self, values: Mapping[str, float], params: int, digest: str) -> Decision:
        table = self.config.filter
        if table.score not in values:
            return Decision.EXEMPT  # Nobody is turned away for a score that could not be taken.
        near = self.store.filter.scores(
            table.score, params / table.band, params * table.band, table.window - 1
        )
        return decide(table, values[table.score], near, name=(self.config.campaign.seed, digest))


def _note(table: FilterTable, values: Mapping[str, float], params: int) -> str:
    return (
        f"{FILTER}: {table.score} {values[table.score]:.6g}: not among the best {table.keep:.0%} of the"
        f" recent within a factor of {table.band:g} of {params} parameters"
    )
