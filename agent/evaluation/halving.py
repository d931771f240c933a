"""One training over its rungs: pause, judge, stop or go on. The archive knows each pause."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

from evoarch.agent.base.decision import Decision
from evoarch.agent.base.errors import UserError
from evoarch.agent.base.ordering import EventOrder
from evoarch.agent.config.load import Config
from evoarch.agent.config.measuring import RungTable
from evoarch.agent.evaluation.constraints import parts_of
from evoarch.agent.statistics.objectives import objectives
from evoarch.archive.errors import ArchiveError
from evoarch.archive.pareto import Objective, crowding, measured, ranks
from evoarch.archive.records import FULL, Candidate, Evaluation, Failed, Scored
from evoarch.archive.store import Store
from evoarch.archive.weights import load_weights, remove_weights, save_weights
from evoarch.evaluators.growing import Growing
from evoarch.evaluators.segments import Segment
from evoarch.evaluators.task import Evaluated, Recipe
from evoarch.sandbox.outcome import Array


class Train(Protocol):
    """Trains a segment of a candidate; an infrastructure fault is tried again first."""

    async def __call__(self, source: str, digest: str, repeat: int, segment: Segment | None) -> Evaluated:
        """Train the segment of a genome and score it; None: all steps."""
        ...


@dataclass(frozen=True)
class Ladder:
    """`rungs` are those before the last, in order; `steps` are the recipe's; `classes` the task's, if it has
    any: below twice the accuracy of guessing a child is rejected.
    """

    store: Store
    config: Config
    event_order: EventOrder
    rungs: Sequence[Rung]
    steps: int
    classes: int | None = None
    growing: Growing | None = None
    """What grows the weights of one size into those of the next (`seeds.grown`)."""
    checkpoints: Mapping[str, Mapping[str, Array]] = field(default_factory=dict)
    """What seeds with a user's own checkpoint begin at, by the seed's name."""

    async def climb(
        self, candidate: Candidate, source: str, digest: str, kind: str, train: Train
    ) -> tuple[str, Evaluated] | None:
        """The rung on which the first training repeat ended, and how: `FULL`, or an earlier one where it
        failed. None: it was stopped there, and is settled.
        """
        if not (self.rungs or self.config.evaluation.inherit or self.growing or self.checkpoints):
            return FULL, await train(source, digest, 0, None)
        passed, start, state = self._reached(candidate)
        inherited = _Inherited() if state else await self._inherited(candidate, kind)
        if inherited.record:
            self.store.event("inherited", candidate.id, inherited.record)
        for rung in self.rungs[passed:]:
            segment = Segment(start, rung.steps, state, inherited.tensors)
            evaluated = inherited.noted(await train(source, digest, 0, segment))
            if isinstance(evaluated.outcome, Failed):
                return rung.name, evaluated
            if not await self._pause(candidate, digest, kind, rung, evaluated):
                return None
            start, state, inherited = rung.steps, evaluated.state, _Inherited()
        segment = Segment(start, self.steps, state, inherited.tensors)
        return FULL, inherited.noted(await train(source, digest, 0, segment))

    def forget(self, candidate: int) -> None:
        """Its training is over: what it would have gone on from is of no more use."""
        for rung in self.rungs:
            remove_weights(self._folder, candidate, rung.name, 0)

    async def _pause(
        self, candidate: Candidate, digest: str, kind: str, rung: Rung, evaluated: Evaluated
    ) -> bool:
        """Whether it goes on. It depends on who arrived before, so it has its place in the order."""
        step = (rung.name, candidate.id)
        await self.event_order.wait(step)
        assert isinstance(evaluated.outcome, Scored)
        metrics = evaluated.outcome.metrics
        exempt = kind != "search" or self._is_audit(candidate.id)
        decision = Decision.EXEMPT if exempt else self._decide(digest, rung, metrics)
        note = "" if decision.goes_on else _note(decision, rung, metrics)
        if not note:
            # Before the row that says it can go on from there.
            save_weights(self._folder, candidate.id, rung.name, 0, evaluated.state)
        self.store.reach(
            Evaluation(
                candidate=candidate.id,
                rung=rung.name,
                seed=0,
                outcome=evaluated.outcome,
                seconds=evaluated.seconds,
                cpu_seconds=evaluated.cpu_seconds,
                kind=kind,
                detail={**evaluated.detail, "decision": decision.value, "steps": rung.steps},
            ),
            decision.value,
            note=note,
        )
        self.event_order.done(step)
        if note:
            self.forget(candidate.id)
        return not note

    def _is_audit(self, candidate: int) -> bool:
        """Whether the filter or an earlier rung turned it away: it is trained in full to see what that
        costs.
        """
        said = [str(each.detail.get("decision")) for each in self.store.evaluations(candidate)]
        said.append(str((self.store.filter.decision(candidate) or {}).get("decision")))
        return Decision.AUDITED_STOPPED in said or Decision.AUDITED_REJECTED in said

    def _decide(self, digest: str, rung: Rung, metrics: Mapping[str, float]) -> Decision:
        goals = [goal for goal in objectives(self.config.selection) if goal.name in metrics]
        earlier = self.store.arrivals(rung.name, rung.table.window - 1)
        return decide(
            rung,
            metrics,
            [each for each in earlier if measured(each, goals)],
            goals,
            chance=1.0 - 1.0 / self.classes if self.classes else None,
            name=(self.config.campaign.seed, digest),
        )

    def _reached(self, candidate: Candidate) -> tuple[int, int, Mapping[str, Array]]:
        """How many rungs it passed in a run that was cut off, and the step and state it goes on from.

        Where the state can't be read it begins anew, which leads to the same: nothing is judged twice.
        """
        # What the infrastructure lost on a rung stands under its name, and was not judged there.
        recorded = {each.rung for each in parts_of(self.store.evaluations(candidate.id))}
        passed = sum(rung.name in recorded for rung in self.rungs)
        try:
            if passed:
                rung = self.rungs[passed - 1]
                return passed, rung.steps, load_weights(self._folder, candidate.id, rung.name, 0)
        except ArchiveError as error:
            self.store.event("restarted", candidate.id, {"reason": str(error)})
        return passed, 0, {}

    @property
    def _folder(self) -> Path:
        return Path(self.store.folder)

    def _elder(self, candidate: Candidate, kind: str) -> int | None:
        """Whose weights it begins with: its first parent's, or those of the size before; None: it begins
        anew.
        """
        if kind == "search" and self.config.evaluation.inherit and candidate.parents:
            return candidate.parents[0]
        if kind == "seed" and self.config.seeds.grown and candidate.id > 1:
            return candidate.id - 1
        return None

    async def _inherited(self, candidate: Candidate, kind: str) -> _Inherited:
        """The weights of the elder's first training repeat, and the steps that are in them; without an
        elder, the checkpoint that its seed came with.
        """
        parent = self._elder(candidate, kind)
        if parent is None:
            return self._checkpoint(candidate)
        try:
            tensors: Mapping[str, Array] = load_weights(self._folder, parent, FULL, 0)
        except ArchiveError:
            return _Inherited()  # Nobody's fault: it begins anew, and its record says so by saying nothing.
        if kind == "seed" and self.growing is not None:
            grown = await self.growing.grow(candidate.source, self.store.candidate(parent).source, tensors)
            if grown.inexact:
                self.store.event("not grown", candidate.id, {"from": parent, "reason": grown.inexact})
                return _Inherited()
            tensors = grown.tensors
        own: Any = {}
        for each in self.store.evaluations(parent):
            if each.seed == 0 and "inherited" in each.detail:
                own = each.detail["inherited"]
        return _Inherited(tensors, {"from": parent, "steps": self.steps + int(own.get("steps", 0))})

    def _checkpoint(self, candidate: Candidate) -> _Inherited:
        while self.checkpoints and candidate.parents:
            candidate = self.store.candidate(candidate.parents[0])
        tensors = self.checkpoints.get(candidate.name or "") if candidate.operator == "seed" else None
        if not tensors:
            return _Inherited()
        return _Inherited(tensors, {"from": candidate.id, "steps": 0, "checkpoint": True})


@dataclass(frozen=True)
class _Inherited:
    tensors: Mapping[str, Array] = field(default_factory=dict)
    record: Mapping[str, object] = field(default_factory=dict)

    def noted(self, evaluated: Evaluated) -> Evaluated:
        """`evaluated` with what it began with, where that was something."""
        if not self.record:
            return evaluated
        share = evaluated.detail.get("inherited_share", 0.0)
        detail = {k: v for k, v in evaluated.detail.items() if k != "inherited_share"}
        return replace(evaluated, detail={**detail, "inherited": {**self.record, "share": share}})


def _note(decision: Decision, rung: Rung, metrics: Mapping[str, float]) -> str:
    error = f"error {metrics['error']:.3f} after {rung.steps} training steps"
    if decision is Decision.REJECTED:
        return f"{rung.name}: {error}: below twice the accuracy of guessing"
    return f"{rung.name}: {error}: not among the best {rung.table.keep:.0%} of the recent"


AUDITED = 20
"""One in so many that are turned away is trained in full anyway, to learn what turning away costs."""


@dataclass(frozen=True)
class Rung:
    """A rung before the last: its name, and the step (from 0, exclusive) at which training pauses."""

    name: str
    steps: int
    table: RungTable


def ladder(tables: Sequence[RungTable], steps: int) -> list[Rung]:
    """The rungs before the last of a recipe of `steps` steps, in order.

    Raises UserError where two fall on one step, or one on the recipe's first or last.
    """
    rungs = [Rung(f"rung{n}", round(table.share * steps), table) for n, table in enumerate(tables, start=1)]
    marks = [0, *(rung.steps for rung in rungs), steps]
    if any(one >= other for one, other in pairwise(marks)):
        raise UserError(
            f"evaluation.rungs: expected rising shares that fall on different steps of the recipe's {steps},"
            f" got steps {', '.join(str(rung.steps) for rung in rungs)}"
        )
    return rungs


def held(recipe: Recipe, tables: Sequence[RungTable]) -> Recipe:
    """`recipe` with its steps up to the last pause at a constant rate. Raises UserError as `ladder` does."""
    return replace(recipe, hold=ladder(tables, recipe.steps)[-1].steps)


def decide(
    rung: Rung,
    metrics: Mapping[str, float],
    earlier: Sequence[Mapping[str, float]],
    objectives: Sequence[Objective],
    *,
    chance: float | None,
    name: tuple[int, str],
) -> Decision:
    """What becomes of a bred arrival with `metrics`.

    `earlier`: the metrics of those that arrived at this rung before, oldest first; `chance`: the error of
    guessing, None where there are no classes; `name`: the campaign's seed and the candidate's source digest,
    of which the audit is a function.
    """
    if below_twice_chance(rung, metrics, chance):
        return Decision.AUDITED_REJECTED if audited(rung.name, *name) else Decision.REJECTED
    recent = earlier[-(rung.table.window - 1) :] if rung.table.window > 1 else []
    # Shares like 0.1 are no binary fractions: 0.1 x 30 is 3, not a little more.
    promoted = math.ceil(rung.table.keep * (len(recent) + 1) - 1e-9)
    if place([*recent, metrics], objectives) < promoted:
        return Decision.PROMOTED
    return Decision.AUDITED_STOPPED if audited(rung.name, *name) else Decision.STOPPED


def below_twice_chance(rung: Rung, metrics: Mapping[str, float], chance: float | None) -> bool:
    """Early rejection: accuracy below twice that of guessing after some 100 steps (Liu et al. 2020, EvoNorms,
    arXiv 2004.02967, section 3.3). Never on a rung with fewer steps than `reject_steps`, or with 0.
    """
    due = 0 < rung.table.reject_steps <= rung.steps
    return due and chance is not None and 1.0 - metrics["error"] < 2.0 * (1.0 - chance)


def place(rows: Sequence[Mapping[str, float]], objectives: Sequence[Objective]) -> int:
    """How many of `rows` stand before the last: by Pareto rank, in one by crowding distance, then by age."""
    rank, spread = ranks(rows, objectives), crowding(rows, objectives)
    mine = (rank[-1], -spread[-1])
    return sum((r, -s) <= mine for r, s in zip(rank[:-1], spread[:-1], strict=True))


def audited(rung: str, seed: int, digest: str) -> bool:
    """Whether this one of `AUDITED` is trained in full though it is turned away."""
    text = f"{seed}\n{digest}\naudit {rung}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") % AUDITED == 0
