"""Public fakes of what measures, for tests and benchmarks of everything around it. They train nothing."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from evoarch.archive.records import Failed, Outcome, Scored
from evoarch.evaluators.replies import DryRunPassed
from evoarch.evaluators.sealed import Graded
from evoarch.evaluators.segments import Segment
from evoarch.evaluators.task import Evaluated
from evoarch.evaluators.trace import MOST_NODES, Node, Trace, Traced
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


def hashed_trace(source: str) -> Trace | Failed:
    """A trace by the source alone: a node for each layer of torch that it names, each reading the one before,
    and as many parameters as `hashed_score` says. What is no Python fails.
    """
    try:
        compile(source, "<genome>", "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as error:
        return Failed("build", f"{type(error).__name__}: {error}")
    outcome = hashed_score(source)
    params = int(outcome.metrics["params"]) if isinstance(outcome, Scored) else 0
    kinds = re.findall(r"\bnn\.([A-Z]\w*)\(", source)[:MOST_NODES] or ["Linear"]
    nodes = tuple(
        Node(f"layer{i}", kind, (10,), params if i == 0 else 0, 2 * params if i == 0 else 0, (i - 1,))
        for i, kind in enumerate(kinds)
    )
    return Trace(nodes, params, 2 * params, 10 * len(nodes), output=len(nodes) - 1)


class StubTracer:
    """Answers with what `trace` says of each source, for `seconds` of CPU time each (none is spent)."""

    def __init__(self, trace: Callable[[str], Trace | Failed] = hashed_trace, seconds: float = 0.0) -> None:
        self._trace, self._seconds = trace, seconds

    async def traces(self, sources: Sequence[str]) -> Traced:
        await asyncio.sleep(0)
        return Traced([self._trace(source) for source in sources], self._seconds * len(sources))


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
