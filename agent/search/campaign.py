"""A run of a campaign: its seeds, then the search in one of two loops, then the elites' further trainings."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from evoarch.agent.base.concurrency import in_slots
from evoarch.agent.base.errors import UserError, nearest
from evoarch.agent.base.ordering import EventOrder, FreeOrder
from evoarch.agent.config.load import Config
from evoarch.agent.evaluation import last_resort
from evoarch.agent.evaluation.budget import Budget
from evoarch.agent.evaluation.halving import Ladder, ladder
from evoarch.agent.evaluation.pipeline import Pipeline
from evoarch.agent.evaluation.prefilter import Prefilter
from evoarch.agent.evaluation.reevaluation import Reevaluation
from evoarch.agent.lm.base import LMError
from evoarch.agent.search.breeder import Breeder
from evoarch.agent.search.components import STOPPED, Components, Ending
from evoarch.agent.search.generational import Generational
from evoarch.agent.search.screened_state import ScreenedSteadyState
from evoarch.agent.search.screening import open_screening
from evoarch.agent.search.steady_state import SteadyState
from evoarch.agent.seeding.lineage import EditableRegions
from evoarch.agent.statistics.objectives import objectives
from evoarch.archive.pareto import measured
from evoarch.archive.records import Candidate, State
from evoarch.archive.store import Store
from evoarch.evaluators.growing import Growing
from evoarch.evaluators.segments import ResumableEvaluator
from evoarch.evaluators.trace import Tracer

T = TypeVar("T")


class Campaign:
    """One run of one campaign; the next run goes on from the archive. `event_order`: that of a replay."""

    def __init__(
        self, store: Store, config: Config, parts: Components, event_order: EventOrder | None = None
    ) -> None:
        self._store, self._config, self._parts = store, config, parts
        self._event_order = event_order or FreeOrder()
        self._budget = Budget(store, config.budget, unlimited=self._event_order.recorded)
        self._grader = Pipeline(
            store,
            config,
            parts.evaluator,
            parts.offers,
            self._event_order,
            self._budget,
            EditableRegions(store, parts.seeds),
            _ladder(store, config, parts, self._event_order),
            _screen(store, config, parts, self._event_order),
            parts.timing,
        )
        self._breeder: Breeder | None = None
        self._stopping = False

    def stop(self) -> None:
        """Finish what is being written and graded, begin nothing new."""
        self._stopping = True
        if self._breeder:
            self._breeder.stop()

    async def run(self) -> Ending:
        """Runs until the budget is spent, a stop, or an error that only a person can mend."""
        last_resort.note_deaths(self._store)
        self._store.recover()
        self._store.event("run", detail={"workers": self._parts.workers})
        try:
            ending = await self._run()
        except LMError as error:
            ending = Ending(str(error), complete=False, error=True)
        finally:
            self._store.recover()
        self._store.event("stop", detail={"reason": ending.reason, "complete": ending.complete})
        return ending

    async def _run(self) -> Ending:
        await self.grade_seeds()
        if self._stopping:
            return STOPPED
        if not self._store.scored():
            return self._nothing_to_breed_from()
        self.check_objectives()
        self._breeder = Breeder(
            self._store, self._config, self._parts, self._event_order, self._budget, self._grader
        )
        ending = await (await self._loop(self._breeder)).run()
        if ending.complete:
            await self._finals().run()
            if self._stopping:
                return STOPPED
        return ending

    async def _loop(self, breeder: Breeder) -> SteadyState | Generational:
        """The loop of this campaign. Raises UserError where it is to screen and can't."""
        if self._config.rounds is not None:
            return Generational(breeder)
        if not self._config.surrogate.drafts:
            return SteadyState(breeder)
        tracer = self._parts.evaluator
        if not isinstance(tracer, Tracer):
            raise UserError(
                f"surrogate.drafts: expected a task whose models can be traced; {self._config.campaign.task}"
                " brings its own training: expected 0"
            )
        screening = await open_screening(
            self._store, self._config, tracer, self._parts.offers, breeder.vetted, self._parts.ceiling
        )
        return ScreenedSteadyState(breeder, screening)

    def _nothing_to_breed_from(self) -> Ending:
        lost = self._store.candidates(state=State.QUEUED, operator="seed", sources=False)
        if lost:
            reason = f"the infrastructure lost every seed: {self._store.relatives.last_failure(lost[0].id)}"
            return Ending(f"{reason}; see `evoarch doctor`", complete=False, error=True)
        failed = self._store.candidates(state=State.FAILED, operator="seed", sources=False)
        reason = "no seed was scored: there is nothing to breed from"
        if failed:
            more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
            reason += f"; {failed[0].name}: {self._store.relatives.last_failure(failed[0].id)}{more}"
        return Ending(reason, complete=False, error=True)

    def check_objectives(self) -> None:
        """Raises UserError for an objective that the scores of the seeds do not have."""
        rows = [candidate.metrics for candidate in self._store.scored(sources=False)]
        known = {name for row in rows for name in row}
        wanted = self._config.selection.objectives
        for name in wanted:
            if name not in known:
                raise UserError(f"selection.objectives: no metric {name!r}; {nearest(name, known)}")
        if not any(measured(row, objectives(self._config.selection)) for row in rows):
            raise UserError(f"selection.objectives: no candidate was measured in all of {', '.join(wanted)}")

    async def grade_seeds(self) -> None:
        """Trains the seeds that have no outcome yet."""
        queued = self._store.candidates(state=State.QUEUED)
        seeds = [c for c in queued if c.operator == "seed" and self._event_order.ends(c.id)]

        async def grade(seed: Candidate) -> None:
            self._store.start(seed.id)
            await self._grader.grade(self._store.candidate(seed.id), "seed")

        # Each size grows from the one before, whose training has to be over.
        grown = self._config.seeds.grown
        # In a replay the one whose turn it is must be under way, however many this machine runs at a time.
        waits = self._event_order.recorded or self._parts.pool is not None  # a pool has its own queue
        slots = 1 if grown else len(seeds) if waits else self._parts.workers
        await self._in_slots(grade, seeds, slots)

    def _finals(self) -> Reevaluation:
        slots = max(self._parts.cores, self._parts.at_once)
        return Reevaluation(
            self._store,
            self._config,
            self._grader.repeat,
            lambda work, candidates: self._in_slots(work, candidates, slots),
            lambda: self._stopping or self._budget.out_of_time(),
        )

    async def _in_slots(
        self, work: Callable[[T], Awaitable[None]], candidates: Sequence[T], slots: int
    ) -> None:
        """`work` on each candidate, `slots` at a time, none begun after a stop."""
        await in_slots((each for each in candidates if not self._stopping), work, slots)


def _screen(store: Store, config: Config, parts: Components, event_order: EventOrder) -> Prefilter:
    """The filter before training. Raises UserError where the evaluator has no zero-cost scores."""
    screen = Prefilter(store, config, event_order, parts.evaluator)
    screen.check()
    return screen


def _ladder(store: Store, config: Config, parts: Components, event_order: EventOrder) -> Ladder:
    """The rungs of the campaign's evaluator. Raises UserError where it has no such, or can't inherit."""
    table, evaluator = config.evaluation, parts.evaluator
    checkpoints = {name: seed.weights for name, seed in parts.seeds.items() if seed.weights}
    if not (table.rungs or table.inherit or config.seeds.grown or checkpoints):
        return Ladder(store, config, event_order, (), 0)
    growing = evaluator if config.seeds.grown and isinstance(evaluator, Growing) else None
    if not isinstance(evaluator, ResumableEvaluator) or (config.seeds.grown and growing is None):
        key = "evaluation.rungs" if table.rungs else "evaluation.inherit"
        key = (
            key
            if table.rungs or table.inherit
            else "seeds.grown"
            if config.seeds.grown
            else "seed add --weights"
        )
        raise UserError(
            f"{key}: expected a task that is trained in parts; {config.campaign.task} brings its own training"
        )
    classes = parts.offers.get("num_classes")
    rungs = ladder(table.rungs, evaluator.steps)
    # Twice guessing among two or three is no bar: good models stand below it after some steps.
    known = classes if isinstance(classes, int) and classes > 3 else None
    return Ladder(store, config, event_order, rungs, evaluator.steps, known, growing, checkpoints)
