"""Model files trained with several seeds each, outside a search; what was trained stands in the diary."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from evoarch.agent.base.concurrency import in_slots
from evoarch.agent.base.errors import UserError
from evoarch.agent.confirm.run import Say
from evoarch.agent.statistics.intervals import bits_of, examples
from evoarch.agent.statistics.paired import Right
from evoarch.archive.records import Fault, Scored
from evoarch.archive.store import Store
from evoarch.evaluators.registry import Measuring
from evoarch.sandbox.genome import source_digest

TRAINED = "study.trained"
"""Kind of the event: a Training."""

FIRST = 1000
"""The number of the first repeat: none that a search had, by which a candidate was chosen."""


@dataclass(frozen=True)
class Training:
    """One training of one source: the error (1 where it failed, for `reason`), its parameters, and what was
    right of each validation example, as hexadecimal bits ("" where the task keeps none).
    """

    error: float
    params: int
    correct: str
    cpu_seconds: float
    reason: str = ""

    @property
    def right(self) -> Right | None:
        """(n,): 1 where it was right; None where that was not kept, or it failed."""
        if not self.correct:
            return None
        bits = bytes.fromhex(self.correct)
        return bits_of(bits)[: examples(self.error, bits)].astype(np.float32)


@dataclass(frozen=True)
class TrainingRecord:
    """The trainings of one archive under one recipe ("": the campaign's own way). Every line is written in
    one transaction.
    """

    store: Store
    recipe: str

    def all(self) -> dict[tuple[str, int], Training]:
        """By digest of the source and number of the repeat."""
        found = {}
        for event in self.store.events(kind=TRAINED):
            detail = dict(event.detail)
            if detail.pop("recipe") == self.recipe:
                key = str(detail.pop("digest")), int(str(detail.pop("repeat")))
                found[key] = Training(**detail)  # type: ignore[arg-type]  # written by `add`
        return found

    def add(self, digest: str, repeat: int, training: Training) -> None:
        """Records one training."""
        key = {"recipe": self.recipe, "digest": digest, "repeat": repeat}
        self.store.event(TRAINED, None, {**key, **training.__dict__})

    def of(self, source: str, repeats: Iterable[int]) -> list[Training]:
        """Those of one source ("": none), as far as they were made."""
        if not source:
            return []
        known, digest = self.all(), source_digest(source)
        return [known[digest, repeat] for repeat in repeats if (digest, repeat) in known]


@dataclass(frozen=True)
class Trainer:
    """Trains what the record lacks. `jobs`: at a time; `retries`: of a child that the infrastructure lost."""

    record: TrainingRecord
    evaluator: Measuring
    jobs: int
    retries: int
    say: Say

    async def train(self, wanted: Sequence[tuple[str, int]], what: str = "trained") -> None:
        """Each (source, repeat), once. Raises UserError where the infrastructure loses one."""
        known, items = self.record.all(), dict[tuple[str, int], str]()
        for source, repeat in wanted:
            items[source_digest(source), repeat] = source
        todo = [(key, source) for key, source in items.items() if key not in known]
        done = len(items) - len(todo)

        async def one(item: tuple[tuple[str, int], str]) -> None:
            nonlocal done
            (digest, repeat), source = item
            self.record.add(digest, repeat, await self._trained(source, digest, repeat))
            done += 1
            self.say(f"{what}: {done}/{len(items)}")

        await in_slots(todo, one, self.jobs)

    async def _trained(self, source: str, digest: str, repeat: int) -> Training:
        for left in range(self.retries, -1, -1):
            found = await self.evaluator.evaluate(source, digest=digest, repeat=repeat)
            outcome = found.outcome
            if isinstance(outcome, Scored):
                metrics: Mapping[str, float] = outcome.metrics
                size = int(metrics.get("params", 0))
                return Training(metrics["error"], size, found.correct.hex(), found.cpu_seconds)
            if outcome.fault is not Fault.INFRASTRUCTURE:
                return Training(1.0, 0, "", found.cpu_seconds, f"{outcome.stage}: {outcome.reason}")
            if not left:
                raise UserError(f"a training: {outcome.reason}; the same command goes on", code=1)
        raise AssertionError("unreachable: the loop returns or raises")
