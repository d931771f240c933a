"""The pool of this machine: one warm zygote, and a slot per child that may run at a time."""

from __future__ import annotations

import asyncio
import platform
from collections.abc import Callable, Sequence

from evoarch.evaluators.pools.seam import Node
from evoarch.sandbox.job import Job, Runner
from evoarch.sandbox.limits import Level
from evoarch.sandbox.outcome import Broken, ChildOutcome


class LocalPool:
    """Implements evaluators.pools.seam.Pool on a runner, which it closes. Its slots are fixed."""

    def __init__(self, runner: Runner, slots: int) -> None:
        self._runner, self._slots = runner, slots
        self._free = asyncio.Semaphore(slots)
        self._closed = False

    @property
    def level(self) -> Level:
        return self._runner.level

    @property
    def slots(self) -> int:
        return self._slots

    def watch(self, changed: Callable[[], None]) -> None:
        return

    def nodes(self) -> Sequence[Node]:
        return (Node("local", platform.node() or "this machine", self._slots, level=self.level),)

    async def run(self, job: Job) -> ChildOutcome:
        async with self._free:
            return Broken("the pool is closed") if self._closed else await self._runner.run(job)

    async def close(self) -> None:
        self._closed = True
        await self._runner.close()
