"""For tests of confirmation: three candidates in an archive, how right they are, and what confirms them."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from evoarch.agent.confirm.record import ConfirmationRecord
from evoarch.agent.confirm.run import Confirmation, Confirmed, choose
from evoarch.archive.records import Candidate, Evaluation, Failed, Scored
from evoarch.archive.store import Store, create
from evoarch.evaluators.fakes import StubConfirmer
from evoarch.evaluators.sealed import Graded
from evoarch.evaluators.task import Evaluated
from evoarch.sandbox.genome import source_digest
from evoarch.sandbox.outcome import Array

MODEL = "from torch import nn\n\n\nclass Model(nn.Module):\n    size = {}\n"
ACCURACY = {"base": 0.90, "good": 0.97, "lucky": 0.89}


def source(name: str) -> str:
    return MODEL.format(list(ACCURACY).index(name) + 1)


def named(text: str) -> str:
    return next(name for name in ACCURACY if source(name) == text)


def accuracy(text: str, rate: float) -> float:
    """Half the rate suits everyone best."""
    return ACCURACY[named(text)] - (0.0 if rate == 0.5 else 0.02)


def archive(folder: Path) -> Store:
    store = create(folder, name="c", seed=0)
    for name, error in (("base", 0.1), ("good", 0.05), ("lucky", 0.01)):
        digest = source_digest(source(name))
        added = store.add_seed(name, source(name), digest)
        store.start(added.id)
        outcome = Scored({"error": error, "params": 10.0})
        store.settle(
            Evaluation(added.id, "full", 0, outcome, seconds=0.0, cpu_seconds=0.0, kind="seed", correct=b"")
        )
    return store


def confirm(
    store: Store,
    stub: StubConfirmer,
    *,
    force: bool = False,
    seeds: int = 3,
    recipe: str = "full",
    candidates: Sequence[Candidate] = (),
    **more: Any,
) -> list[Confirmed]:
    work = Confirmation(
        store, ConfirmationRecord(store, recipe), stub, recipe, 1.0, seeds, 2, lambda _: None, **more
    )
    return asyncio.run(work.run(candidates or choose(store, 0), force=force))


class Failing(StubConfirmer):
    """Trainings and tests fail where `training` or `test` says how, of name, rate and repeat."""

    def __init__(
        self,
        *,
        training: Callable[[str, float, int], Failed | None] = lambda *_: None,
        test: Callable[[str, float, int], Failed | None] = lambda *_: None,
    ) -> None:
        super().__init__(accuracy)
        self._training, self._test = training, test

    async def select(self, text: str, *, digest: str, repeat: int, rate: float) -> Evaluated:
        found = await super().select(text, digest=digest, repeat=repeat, rate=rate)
        failed = self._training(named(text), rate, repeat)
        return Evaluated(failed, 0.0, 0.0) if failed else found

    async def open(
        self, text: str, weights: Mapping[str, Array], *, digest: str, repeat: int, rate: float
    ) -> Mapping[str, Graded] | Failed:
        found = await super().open(text, weights, digest=digest, repeat=repeat, rate=rate)
        return self._test(named(text), rate, repeat) or found


class Killed(StubConfirmer):
    """Ends everything at its `last` call of either kind."""

    def __init__(self, last: int) -> None:
        super().__init__(accuracy)
        self.last = last

    async def select(self, *args: object, **named: object) -> object:  # type: ignore[override]
        self._count()
        return await super().select(*args, **named)  # type: ignore[arg-type]

    async def open(self, *args: object, **named: object) -> object:  # type: ignore[override]
        self._count()
        return await super().open(*args, **named)  # type: ignore[arg-type]

    def _count(self) -> None:
        self.last -= 1
        if self.last < 0:
            raise RuntimeError("ended")
