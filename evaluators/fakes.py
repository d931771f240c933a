"""Public fakes of what measures, for tests and benchmarks of everything around it. They train nothing."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from evoarch.archive.records import Failed, Outcome, Scored
from evoarch.evaluators.replies import DryRunPassed
from evoarch.evaluators.sealed import Graded
from evoarch.evaluators.segments import Segment
from evoarch.evaluators.task import Evaluated
from evoarch.sandbox.outcome import Array, ChildOutcome


def hashed_score(source: str) -> Outcome:
    """An outcome that looks random, by the source alone: error 0.05 to 0.45, 100 to 10,099 parameters."""
    digest = int.from_bytes(hashlib.sha256(source.encode()).digest()[:8], "big")
    return Scored({"error": 0.05 + (digest % 4000) / 10_000, "params": float(100 + digest // 4000 % 10_000)})


class StubEvaluator:
    """Answers after `seconds` with what `score` says of the source; every source is sound."""

    def __init__(self, seconds: float = 0.0, score: Callable[[str], Outcome] = hashed_score) -> None:
        self._seconds = seconds
        self._score = score

    async def dry_run(self, source: str) -> DryRunPassed | ChildOutcome:
        outcome = self._score(source)
        params = outcome.metrics["params"] if isinstance(outcome, Scored) else 0
        return DryRunPassed(function_digest="", params=int(params))

    steps = 400

    async def evaluate_segment(self, source: str, *, digest: str, repeat: int, segment: Segment) -> Evaluated:
        """The same score on every rung; the state is the step that was reached."""
        went_on = int(segment.state["step"]) if segment.state else 0
        if went_on != segment.start:
            raise ValueError(f"a segment from step {segment.start} was given the state of step {went_on}")
        evaluated = await self.evaluate(source, digest=digest, repeat=repeat)
        if segment.stop == self.steps:
            return evaluated
        return replace(evaluated, state={"step": np.array(segment.stop)})

    async def evaluate(self, source: str, *, digest: str, repeat: int) -> Evaluated:
        await asyncio.sleep(self._seconds)
        return Evaluated(self._score(source), self._seconds, 0.0)


class StubConfirmer:
    """A confirmer whose candidates are right at random: with the chance that `accuracy` says of the source.

    `tests` are sizes by name. Seeds of training do not differ but by chance. `opened` counts openings.
    """

    def __init__(
        self, accuracy: Callable[[str, float], float], tests: Mapping[str, int] | None = None
    ) -> None:
        self._accuracy = accuracy
        self._tests = dict(tests or {"public": 200, "fresh": 1000})
        self.trained: list[tuple[str, float, int]] = []
        self.opened: list[tuple[str, int]] = []

    async def select(self, source: str, *, digest: str, repeat: int, rate: float) -> Evaluated:
        self.trained.append((digest, rate, repeat))
        error = 1.0 - self._accuracy(source, rate)
        weights = {"w": np.zeros(1, np.float32)}
        return Evaluated(Scored({"error": error, "params": 10.0}), 0.0, 0.0, weights=weights)

    async def open(
        self, source: str, weights: Mapping[str, Array], *, digest: str, repeat: int, rate: float
    ) -> Mapping[str, Graded] | Failed:
        self.opened.append((digest, repeat))
        seed = int.from_bytes(hashlib.sha256(f"{digest} {repeat}".encode()).digest()[:4], "big")
        rng = np.random.default_rng(seed)
        chance = self._accuracy(source, rate)
        return {
            name: Graded((rng.random(count) < chance).astype(np.float32))
            for name, count in self._tests.items()
        }
