"""From an admitted child to its outcome: dry run, shape repair, same function?, train, predict, score."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from evoarch.agent.base.errors import UserError
from evoarch.agent.base.ordering import EventOrder
from evoarch.agent.config.load import Config
from evoarch.agent.evaluation import last_resort
from evoarch.agent.evaluation.budget import Budget
from evoarch.agent.evaluation.claims import CLAIM, broken_claim, noted
from evoarch.agent.evaluation.constraints import (
    STATIC,
    completed,
    cumulated,
    excess,
    measured_in,
    parts_of,
    reference_of,
    static_metrics,
    unknown,
    wanted,
)
from evoarch.agent.evaluation.halving import Ladder, Train
from evoarch.agent.evaluation.prefilter import Prefilter
from evoarch.agent.evaluation.vetting import findings_of
from evoarch.agent.operators.shape_repair.rules import ShapeRepair, repair
from evoarch.agent.seeding.lineage import EditableRegions
from evoarch.archive.errors import ArchiveError
from evoarch.archive.records import FULL, Candidate, Evaluation, Failed, Fault
from evoarch.archive.store import Store
from evoarch.archive.weights import save_weights
from evoarch.evaluators.failures import failure_of
from evoarch.evaluators.latency import Latency, Timing
from evoarch.evaluators.metrics.registry import STAGE as SCORING
from evoarch.evaluators.replies import DryRunPassed
from evoarch.evaluators.segments import ResumableEvaluator, Segment
from evoarch.evaluators.task import Evaluated
from evoarch.sandbox.genome import source_digest
from evoarch.sandbox.outcome import Broken, ChildOutcome, Raised


class EvaluatorSeam(Protocol):
    """What a campaign needs of an evaluator; never raises for what a genome does."""

    async def dry_run(self, source: str) -> DryRunPassed | ChildOutcome:
        """A few examples forward and backward; what became of a child that did not pass."""
        ...

    async def evaluate(self, source: str, *, digest: str, repeat: int) -> Evaluated:
        """Train and score once; `repeat` counts the training seeds from 0."""
        ...


@dataclass(frozen=True)
class Pipeline:
    """Grades one candidate at a time per slot; every change of state is one transaction of the store."""

    store: Store
    config: Config
    evaluator: EvaluatorSeam
    offers: Mapping[str, object]
    event_order: EventOrder
    budget: Budget
    openings: EditableRegions
    ladder: Ladder
    screen: Prefilter
    timing: Timing | None = None
    """What measures latency, if not the evaluator."""

    async def grade(self, candidate: Candidate, kind: str) -> bool:
        """Bring a running `candidate` to its outcome; `kind`: "search" or "seed".

        Returns whether it left its slot with something found; False: the budget ended before its training,
        and it is queued again. Raises UserError (a replay that can't go on) and ArchiveError; what else this
        process raises over it becomes its record (last_resort.py).
        """
        try:
            return await self._grade(candidate, kind)
        except (UserError, ArchiveError):
            raise
        except Exception as error:  # the last resort: no candidate may end a run
            if self.event_order.recorded:  # what the record has of it could never be made again
                reason = f"{type(error).__name__}: {error}"
                raise UserError(f"replay: candidate {candidate.id}: {reason}", code=1) from error
            step = ("settled", candidate.id)
            await self.event_order.wait(step)
            last_resort.record(self.store, candidate.id, kind, error)
            self.event_order.done(step)
            return True

    async def _grade(self, candidate: Candidate, kind: str) -> bool:
        source, repairs, sound = await self._dry_run(candidate, may_repair=kind == "search")
        if isinstance(sound, Failed):
            # The failure is of the source after its repairs, which the candidate does not keep.
            tried = {"repairs": list(repairs), "source": source} if repairs != candidate.repairs else {}
            await self._finish(candidate, kind, Evaluated(sound, 0.0, 0.0, detail=tried))
            return True
        prediction = self.store.predictions.get(candidate.id)
        claim = prediction.detail.get(CLAIM) if prediction else None
        if problem := broken_claim(claim, sound):
            failed = Failed("dry_run", problem)
            await self._finish(candidate, kind, Evaluated(failed, 0.0, 0.0, detail=noted(claim)))
            return True
        if repairs != candidate.repairs or sound.function_digest:
            await self.event_order.wait(("sound", candidate.id))
            # One transaction: a crash after the repair alone would hide that the source is known.
            with self.store.transaction():
                self._keep_trace(candidate, sound)
                first = self._first_of(candidate, source, repairs, sound)
            self.event_order.done(("sound", candidate.id))
            if first is not None:
                return True
        else:
            self._keep_trace(candidate, sound)
        return await self._train_once(candidate, kind, source, sound)

    async def _train_once(self, candidate: Candidate, kind: str, source: str, sound: DryRunPassed) -> bool:
        """What follows a dry run that passed: limits, review, filter, latency, training."""
        outcome = self._static_limits(sound)
        if outcome is None and kind == "search" and self._must_wait(candidate, sound):
            self.store.hold(candidate.id)
            return True
        # One that passed a rung in a run that was cut off has cost its unit already.
        costs = kind == "search" and not self.store.has_trained(candidate.id)
        digest = self.store.candidate(candidate.id).source_digest or ""
        if outcome is None and costs and not await self.screen.passes(candidate, source, digest, sound):
            return True
        static, spent, rung = static_metrics(sound, None), 0.0, FULL
        if outcome is None and wanted(self.config, "latency"):
            timed = await self._latency(candidate, source)
            if isinstance(timed, Failed):
                outcome = timed
            else:
                static, spent = {**static, "latency": timed.ratio}, timed.cpu_seconds
                problem = excess(self.config.constraints, static)
                outcome = Failed("static", problem) if problem else None
        if outcome is None and costs and not self.budget.take_evaluation():
            self.store.requeue(candidate.id)
            return False
        if outcome is not None:
            evaluated = completed(Evaluated(outcome, 0.0, 0.0), self.config, None, static, {})
        else:
            train = self._measuring(candidate.id, sound.params, static)
            ended = await self.ladder.climb(candidate, source, digest, kind, train)
            if ended is None:
                return True
            rung, evaluated = ended
            if costs and _lost(evaluated) and not self.store.has_trained(candidate.id):
                self.budget.return_evaluation()
        told = {"layers": list(sound.layers), "unreached": list(sound.unreached)}
        detail = {**evaluated.detail, **{k: v for k, v in told.items() if v}}
        evaluated = replace(evaluated, detail=detail, cpu_seconds=evaluated.cpu_seconds + spent)
        await self._finish(candidate, kind, evaluated, rung)
        if not _lost(evaluated):
            self.ladder.forget(candidate.id)
        return True

    async def _finish(self, candidate: Candidate, kind: str, evaluated: Evaluated, rung: str = FULL) -> None:
        """Settle the first training repeat, when it is its turn."""
        step = ("settled", candidate.id)
        await self.event_order.wait(step)
        self._settle(candidate, kind, 0, evaluated, rung)
        self.event_order.done(step)

    async def repeat(self, candidate: Candidate, number: int) -> None:
        """One further training seed of a scored candidate. Raises as `grade` does."""
        try:
            await self._repeat(candidate, number)
        except (UserError, ArchiveError):
            raise
        except Exception as error:  # noqa: BLE001 - the last resort: no candidate may end a run
            last_resort.record(self.store, candidate.id, "repeat", error, number)

    async def _repeat(self, candidate: Candidate, number: int) -> None:
        evaluated = await self.train(candidate.source, candidate.source_digest or "", number)
        static = {name: candidate.metrics[name] for name in STATIC if name in candidate.metrics}
        evaluated = completed(evaluated, self.config, None, static, cumulated(evaluated, ()))
        self._settle(candidate, "repeat", number, evaluated)

    async def train(self, source: str, digest: str, repeat: int, segment: Segment | None = None) -> Evaluated:
        """Train (all steps, or a segment of them) and predict; an infrastructure fault is tried again, a
        bounded number of times; not a metric's, which would say the same again.
        """
        retries = self.config.evaluation.retries
        while True:
            evaluated = await self._evaluate(source, digest, repeat, segment)
            if (lost := _lost(evaluated)) and retries and lost.stage != SCORING:
                retries -= 1
                self.store.event("retried", detail={"reason": lost.reason})
                continue
            return evaluated

    def _measuring(self, candidate: int, params: int, static: Mapping[str, float]) -> Train:
        """Trains the candidate's first repeat, part by part, with all measures in what it gives back."""

        async def train(source: str, digest: str, repeat: int, segment: Segment | None) -> Evaluated:
            evaluated = await self.train(source, digest, repeat, segment)
            parts = parts_of(self.store.evaluations(candidate))
            machine = cumulated(evaluated, parts if segment and segment.start else ())
            recorded = self.event_order.measured(candidate, len(parts))
            machine |= {name: value for name, value in recorded.items() if name in machine}
            partly = segment is not None and bool(evaluated.state)
            return completed(evaluated, self.config, params, static, machine, partly=partly)

        return train

    async def _evaluate(self, source: str, digest: str, repeat: int, segment: Segment | None) -> Evaluated:
        if segment is None:
            return await self.evaluator.evaluate(source, digest=digest, repeat=repeat)
        assert isinstance(self.evaluator, ResumableEvaluator), (
            "a ladder has segments only where the evaluator has"
        )
        return await self.evaluator.evaluate_segment(source, digest=digest, repeat=repeat, segment=segment)

    async def _dry_run(
        self, candidate: Candidate, *, may_repair: bool
    ) -> tuple[str, tuple[str, ...], DryRunPassed | Failed]:
        source, repairs = candidate.source, candidate.repairs
        retries = self.config.evaluation.retries
        while True:
            result = await self.evaluator.dry_run(source)
            # Whatever becomes of the candidate: most that fail or repeat another one cost nothing else.
            self.store.add_cpu(candidate.id, result.usage.cpu_seconds)
            if isinstance(result, DryRunPassed):
                dead = self._dead_weight(result) if may_repair else ""
                return source, repairs, Failed("dry_run", dead) if dead else result
            if isinstance(result, Broken) and retries > 0:
                retries -= 1
                self.store.event("retried", candidate.id, {"reason": result.reason})
                continue
            failed = failure_of(result)
            if (
                not may_repair
                or not isinstance(result, Raised)
                or len(repairs) >= self.config.evaluation.repairs
            ):
                return source, repairs, failed
            fixed = await self._repaired(candidate, source, result)
            if fixed is None:
                return source, repairs, failed
            source, repairs = fixed.source, (*repairs, fixed.description)

    async def _repaired(self, candidate: Candidate, source: str, failure: Raised) -> ShapeRepair | None:
        """One repair that vetting finds nothing in. Of two that fit, the smaller model that then works."""
        first = repair(source, failure, offers=self.offers)
        opening = self.openings.of(candidate.id)
        ways = [way for way in (first, first and first.other) if way is not None]
        ways = [w for w in ways if not findings_of(w.source, self.config, self.offers, opening=opening)]
        if len(ways) < 2:
            return ways[0] if ways else None
        sizes: list[float] = []
        for way in ways:
            result = await self.evaluator.dry_run(way.source)
            self.store.add_cpu(candidate.id, result.usage.cpu_seconds)
            sizes.append(result.params if isinstance(result, DryRunPassed) else math.inf)
        return ways[sizes.index(min(sizes))]

    def _keep_trace(self, candidate: Candidate, sound: DryRunPassed) -> None:
        if sound.trace is not None:
            self.store.traces.put(candidate.id, sound.trace.as_json())

    def _first_of(
        self, candidate: Candidate, source: str, repairs: tuple[str, ...], sound: DryRunPassed
    ) -> int | None:
        """Records what the dry run found; the id of the candidate that this one repeats, if it does."""
        if repairs != candidate.repairs:
            digest = source_digest(source)
            self.store.repaired(candidate.id, source, digest, repairs)
            first = self.store.find_source(digest, exclude=candidate.id)
            if first is not None:
                self.store.duplicate(candidate.id, of=first, reason="same source after repair")
                return first
        if sound.function_digest:
            first = self.store.find_function(sound.function_digest, exclude=candidate.id)
            if first is not None:
                self.store.duplicate(candidate.id, of=first, reason="same function")
                return first
            self.store.set_function_digest(candidate.id, sound.function_digest)
        return None

    def _must_wait(self, candidate: Candidate, sound: DryRunPassed) -> bool:
        """A replay waits for nobody: the record says what a person let through."""
        review = self.config.review
        if not review.required or self.event_order.recorded or sound.params <= review.params:
            return False
        return candidate.id not in self.store.verdicts.approved()

    def _dead_weight(self, sound: DryRunPassed) -> str:
        """Which parameters nothing teaches, "" if none. What a seed has of the kind its children may keep."""
        if not sound.unreached:
            return ""
        kept: set[object] = set()
        for seed in self.store.candidates(operator="seed", sources=False):
            for each in self.store.evaluations(seed.id):
                unreached = each.detail.get("unreached")
                kept.update(unreached if isinstance(unreached, list) else ())
        names = [name for name in sound.unreached if name not in kept]
        if not names:
            return ""
        more = f" and {len(names) - 5} more" if len(names) > 5 else ""
        return (
            f"no gradient reaches {', '.join(names[:5])}{more}: expected that every parameter is used in "
            "forward, or is not there"
        )

    async def _latency(self, candidate: Candidate, source: str) -> Latency | Failed:
        """Against the reference, which has 1 by definition. What was measured once stands, as in a replay."""
        parts = parts_of(self.store.evaluations(candidate.id))
        known = measured_in(parts[0]) if parts else self.event_order.measured(candidate.id, 0)
        if "latency" in known:
            return Latency(known["latency"], 0.0, 0.0, 0)
        seeds = self.store.candidates(operator="seed")
        name = reference_of(self.config)
        reference = next((each for each in seeds if each.name == name), seeds[0])
        if candidate.id == reference.id:
            return Latency(1.0, 1.0, 1.0, 0)
        timing = self.timing or self.evaluator
        assert isinstance(timing, Timing), "a session with another evaluator is refused"
        retries = self.config.evaluation.retries
        while True:
            timed = await timing.latency(source, reference.source)
            if isinstance(timed, Failed) and timed.fault is Fault.INFRASTRUCTURE and retries:
                retries -= 1
                self.store.event("retried", candidate.id, {"reason": timed.reason})
                continue
            return timed

    def _static_limits(self, sound: DryRunPassed) -> Failed | None:
        known = {"params": float(sound.params), **static_metrics(sound, None)}
        problem = excess(self.config.constraints, known) or unknown(self.config, sound)
        return Failed("static", problem) if problem else None

    def _settle(
        self, candidate: Candidate, kind: str, seed: int, evaluated: Evaluated, rung: str = FULL
    ) -> None:
        # Weights before the row that names them: a crash in between leaves a file nobody counts.
        if evaluated.weights:
            save_weights(Path(self.store.folder), candidate.id, rung, seed, evaluated.weights)
        self.store.settle(
            Evaluation(
                candidate=candidate.id,
                rung=rung,
                seed=seed,
                outcome=evaluated.outcome,
                seconds=evaluated.seconds,
                cpu_seconds=evaluated.cpu_seconds,
                kind=kind,
                correct=evaluated.correct,
                detail=evaluated.detail,
            )
        )


def _lost(evaluated: Evaluated) -> Failed | None:
    """The failure, where it says nothing of the genome: the infrastructure's."""
    outcome = evaluated.outcome
    return outcome if isinstance(outcome, Failed) and outcome.fault is Fault.INFRASTRUCTURE else None
