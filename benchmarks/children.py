"""Children of ConvBase on MNIST-1D through the real evaluator, some at a time: shared by two timings."""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass

from evoarch.agent.base.concurrency import in_slots
from evoarch.archive.records import Scored
from evoarch.evaluators.evaluation import Evaluator
from evoarch.evaluators.replies import DryRunPassed
from evoarch.evaluators.task import Recipe
from evoarch.evaluators.tasks import load_task
from evoarch.sandbox.job import Runner


@dataclass(frozen=True)
class Block:
    """`children` grown in `seconds` of wall clock; `cpu` are their processes' CPU seconds, `own` those of
    this process meanwhile; `errors` are validation errors."""

    children: int
    seconds: float
    cpu: float
    own: float
    errors: tuple[float, ...]

    @property
    def rate(self) -> float:
        """Children per minute."""
        return 60 * self.children / self.seconds


class Nursery:
    """Grows children of one genome, each with a training seed of its own: dry run, train, predict twice."""

    def __init__(self, runner: Runner, recipe: Recipe | None = None) -> None:
        task = load_task("mnist1d")
        self._source = task.seeds["conv_base"]
        self._evaluator = Evaluator(task, recipe or task.recipes["fast"], runner, ceiling=1.0)
        self._numbers = itertools.count()

    async def grow(self, children: int, slots: int) -> Block:
        cpu, errors = 0.0, list[float]()

        async def child(number: int) -> None:
            nonlocal cpu
            sound = await self._evaluator.dry_run(self._source)
            assert isinstance(sound, DryRunPassed), sound
            evaluated = await self._evaluator.evaluate(self._source, digest=f"child {number}", repeat=0)
            assert isinstance(evaluated.outcome, Scored), evaluated.outcome
            cpu += sound.usage.cpu_seconds + evaluated.cpu_seconds
            errors.append(evaluated.outcome.metrics["error"])

        begun, own = time.monotonic(), time.process_time()
        await in_slots(list(itertools.islice(self._numbers, children)), child, slots)
        seconds = time.monotonic() - begun
        return Block(children, seconds, cpu, time.process_time() - own, tuple(errors))
