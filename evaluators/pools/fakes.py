"""A cluster without an engine, for tests and benchmarks of everything around it. Its slots run nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace

from evoarch.evaluators.pools.seam import Node
from evoarch.evaluators.pools.slots import SlotLostError
from evoarch.sandbox.job import Job
from evoarch.sandbox.limits import Level
from evoarch.sandbox.outcome import ChildOutcome, Finished

Answer = Callable[["FakeSlot", Job], ChildOutcome]


class FakeSlot:
    """Answers after `seconds` with what `answer` says. `lose` takes it away from whoever uses it."""

    def __init__(self, node: str, level: Level, seconds: float, answer: Answer) -> None:
        self.node, self.level, self.closed = node, level, False
        self._seconds, self._answer = seconds, answer
        self._lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.shift = 0
        """Added to the tickets of its answers."""

    async def run(self, ticket: int, job: Job) -> tuple[int, ChildOutcome]:
        await asyncio.wait({self._lost}, timeout=self._seconds)
        if self._lost.done():
            raise SlotLostError(self._lost.result())
        return ticket + self.shift, self._answer(self, job)

    def lose(self, reason: str) -> None:
        self._lost.set_result(reason)

    async def close(self) -> None:
        self.closed = True


class FakeCluster:
    """`add` and `remove` nodes while it runs. `seconds` that a child takes, `answer` what becomes of it."""

    def __init__(
        self, seconds: float = 0.0, answer: Answer = lambda slot, job: Finished({}, {"node": slot.node})
    ) -> None:
        self.seconds, self.answer = seconds, answer
        self.slots: list[FakeSlot] = []
        self.closed = False
        self.cold: set[str] = set()
        """Nodes whose slots do not warm up."""
        self._nodes: dict[str, Node] = {}

    def add(self, id_: str, slots: int = 1, *, level: Level = Level.FULL, refused: str = "") -> None:
        self._nodes[id_] = Node(id_, id_, 0 if refused else slots, refused, level)

    def remove(self, id_: str) -> None:
        """The node dies, with the children that it has."""
        del self._nodes[id_]
        for slot in self.slots:
            if slot.node == id_ and not slot.closed:
                slot.lose(f"{id_} died")

    async def nodes(self) -> Sequence[Node]:
        return [replace(node) for node in self._nodes.values()]

    async def open(self, node: Node) -> FakeSlot:
        if node.id in self.cold:
            raise SlotLostError("it does not warm up")
        slot = FakeSlot(node.id, node.level or Level.NONE, self.seconds, self.answer)
        self.slots.append(slot)
        return slot

    async def close(self) -> None:
        self.closed = True
