"""Slots that come and go, whatever engine places them: who is free, who is lost, what an answer is worth.

The rules are few. A slot has one child at a time. A slot that loses a child, for whatever reason, is given
up, and its node gets another one: at once the first time, then after waits that double. So a retry goes
elsewhere where there is an elsewhere. Each attempt has a ticket; an answer with another ticket is dropped.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections import deque
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from evoarch.evaluators.pools.seam import Node, PoolError
from evoarch.sandbox.job import Job
from evoarch.sandbox.limits import Level
from evoarch.sandbox.outcome import Broken, ChildOutcome


class SlotLostError(RuntimeError):
    """A slot could not be had, or is gone, and the child that it had with it. One line says why."""


class Slot(Protocol):
    """A place for one child at a time, with a warm zygote."""

    @property
    def level(self) -> Level: ...

    async def run(self, ticket: int, job: Job) -> tuple[int, ChildOutcome]:
        """The outcome of one child, with the ticket it was asked under. Raises SlotLostError."""
        ...

    async def close(self) -> None:
        """Ends it and the child that it may have."""
        ...


class Cluster(Protocol):
    """What an engine has to offer a pool. It retries nothing by itself."""

    async def nodes(self) -> Sequence[Node]:
        """All that live, those that get nothing with the reason. Raises PoolError if it is lost for good."""
        ...

    async def open(self, node: Node) -> Slot:
        """A warm slot there; waits while the node's resources are taken by others. Raises SlotLostError."""
        ...

    async def close(self) -> None: ...


@dataclass(frozen=True)
class SlotPatience:
    """Seconds. `answer`: how long after a child's own limit its answer may come. `slot`: how long a child
    waits for one. `first`: how long a start waits for the first one. `look`: between looks at the nodes.
    `again`, `most`: before a node that lost a slot gets another, doubled each time up to the most.
    """

    answer: float = 120.0
    slot: float = 300.0
    first: float = 240.0
    look: float = 2.0
    again: float = 1.0
    most: float = 60.0


@dataclass
class _Place:
    """A node's slots, open and opening, and when it may open the next one."""

    node: Node
    open: int = 0
    opening: set[asyncio.Task[None]] = field(default_factory=set)
    lost: int = 0
    not_before: float = 0.0
    reason: str = ""


class SlotPool:
    """Implements evaluators.pools.seam.Pool on a Cluster. `most`: slots to hold at a time (0: all that fit).

    Start it with `start`, on the loop that will run the jobs.
    """

    def __init__(self, cluster: Cluster, *, most: int = 0, patience: SlotPatience | None = None) -> None:
        self._cluster, self._most, self._patience = cluster, most, patience or SlotPatience()
        self._places: dict[str, _Place] = {}
        self._owner: dict[Slot, _Place] = {}
        self._free: deque[Slot] = deque()
        self._waiting: deque[asyncio.Future[Slot]] = deque()
        self._tickets = itertools.count(1)
        self._levels: set[Level] = set()
        self._seen: tuple[Node, ...] = ()
        self._watchers: list[Callable[[], None]] = []
        self._look = asyncio.Event()
        self._changed = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._problem = ""
        self._closed = False
        self.late = 0
        """Answers that came when nobody waited for them any more."""

    async def start(self) -> None:
        """Looks for nodes and waits for the first slot. Raises PoolError with why there is none."""
        await self._arrange()
        if not any(node.slots for node in self._seen):
            raise PoolError("; ".join(dict.fromkeys(n.refused for n in self._seen)) or "there is no node")
        self._begin(self._keep(), self._tasks)
        deadline = time.monotonic() + self._patience.first
        while not self._owner and not self._problem:
            self._changed.clear()
            left = deadline - time.monotonic()
            reasons = {place.reason for place in self._places.values() if place.reason}
            never = reasons and all(place.lost > 1 for place in self._places.values())
            if left <= 0 or never:
                waited = (
                    f"no slot within {self._patience.first:g} s: the nodes' resources are taken by others"
                )
                raise PoolError("; ".join(sorted(reasons)) or waited)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._changed.wait()
        if self._problem:
            raise PoolError(self._problem)

    @property
    def level(self) -> Level:
        return max(self._levels, key=list(Level).index, default=Level.NONE)

    @property
    def slots(self) -> int:
        return len(self._owner)

    def watch(self, changed: Callable[[], None]) -> None:
        self._watchers.append(changed)

    def nodes(self) -> Sequence[Node]:
        return self._seen

    async def run(self, job: Job) -> ChildOutcome:
        """Runs one child to its end. Raises neither for genome nor cluster; cancelling kills it."""
        try:
            slot = await self._take()
        except SlotLostError as error:
            return Broken(str(error))
        ticket = next(self._tickets)
        patience = job.limits.wall_clock + self._patience.answer
        try:
            async with asyncio.timeout(patience):
                answered, outcome = await slot.run(ticket, job)
        except TimeoutError:
            return self._give_up(slot, f"no answer within {patience:g} s")
        except SlotLostError as error:
            return self._give_up(slot, str(error))
        except BaseException:  # whatever it was: its child is ended, then raised on
            self._retire(slot, "", blame=False)
            raise
        if answered != ticket:
            self.late += 1
            return self._give_up(slot, f"a late answer, to attempt {answered} and not {ticket}, was dropped")
        if isinstance(outcome, Broken):
            return self._give_up(slot, outcome.reason)
        place = self._owner.get(slot)
        if place is not None:
            place.lost = 0
            self._offer(slot)
        return outcome

    async def close(self) -> None:
        """Ends every slot, and with them whatever runs."""
        self._closed = True
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_exception(SlotLostError("the pool is closed"))
        opening = [task for place in self._places.values() for task in place.opening]
        tasks = [*self._tasks, *opening]
        for slot in list(self._owner):
            self._retire(slot, "the pool is closed", blame=False)
        ending = self._tasks - set(tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, *ending, return_exceptions=True)
        await self._cluster.close()

    # Slots to children

    async def _take(self) -> Slot:
        if self._closed or self._problem:
            raise SlotLostError(self._problem or "the pool is closed")
        while self._free:
            slot = self._free.popleft()
            if slot in self._owner:
                return slot
        waiter: asyncio.Future[Slot] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        try:
            # Nobody waits for ever, but while others work a slot will come free.
            while True:
                done, _ = await asyncio.wait({waiter}, timeout=self._patience.slot)
                if done:
                    return waiter.result()
                if not self._owner:
                    reasons = {p.reason for p in self._places.values() if p.reason}
                    why = "; ".join(sorted(reasons)) or "no node has room"
                    raise SlotLostError(f"no slot within {self._patience.slot:g} s: {why}")
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled() and not waiter.exception():
                self._offer(waiter.result())
            raise
        finally:
            waiter.cancel()
            if waiter in self._waiting:
                self._waiting.remove(waiter)

    def _offer(self, slot: Slot) -> None:
        """A slot is free: for whoever waits longest, else for later."""
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(slot)
                return
        self._free.append(slot)

    def _give_up(self, slot: Slot, reason: str) -> Broken:
        place = self._owner.get(slot)
        where = f"node {place.node.name}: " if place else ""
        self._retire(slot, reason, blame=True)
        return Broken(f"{where}{reason}")

    def _retire(self, slot: Slot, reason: str, *, blame: bool) -> None:
        place = self._owner.pop(slot, None)
        if place is None:
            return
        place.open -= 1
        if slot in self._free:
            self._free.remove(slot)
        if blame:
            self._blame(place, reason)
        self._begin(slot.close(), self._tasks)
        self._tell()

    def _blame(self, place: _Place, reason: str) -> None:
        wait = min(self._patience.again * 2**place.lost, self._patience.most) if place.lost else 0.0
        place.lost += 1
        place.reason = f"node {place.node.name}: {reason}"
        place.not_before = time.monotonic() + wait
        self._changed.set()

    # Nodes to slots

    async def _keep(self) -> None:
        """Follows the nodes: new ones get slots, lost ones lose theirs."""
        while True:
            # Not wait_for: before Python 3.12 it may swallow a cancellation.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._patience.look):
                    await self._look.wait()
            if self._closed:
                return
            self._look.clear()
            try:
                await self._arrange()
            except PoolError as error:
                self._lose(str(error))
                return

    def _lose(self, reason: str) -> None:
        """The cluster is gone for good."""
        self._problem = reason
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_exception(SlotLostError(reason))
        self._tell()

    async def _arrange(self) -> None:
        self._seen = tuple(await self._cluster.nodes())
        living: Mapping[str, Node] = {node.id: node for node in self._seen}
        for gone in [place for id_, place in self._places.items() if id_ not in living]:
            del self._places[gone.node.id]
            for task in gone.opening:
                task.cancel()
            # Those with a child hear of it from the engine, or by their deadline.
            for slot in [slot for slot in self._free if self._owner.get(slot) is gone]:
                self._retire(slot, "the node is gone", blame=False)
        for node in living.values():
            if node.slots:
                self._places.setdefault(node.id, _Place(node)).node = node
        now = time.monotonic()
        for _ in range(max((node.slots for node in living.values()), default=0)):
            # One slot a node in turn, so that few slots are spread over many nodes.
            for place in self._places.values():
                room = place.node.slots - place.open - len(place.opening)
                if room > 0 and now >= place.not_before and self._wants_more():
                    self._begin(self._open(place), place.opening)

    def _wants_more(self) -> bool:
        held = sum(place.open + len(place.opening) for place in self._places.values())
        return not self._most or held < self._most

    async def _open(self, place: _Place) -> None:
        try:
            slot = await self._cluster.open(place.node)
        except SlotLostError as error:
            self._blame(place, str(error))
            place.not_before = max(place.not_before, time.monotonic() + self._patience.again)
            return
        if self._closed or self._places.get(place.node.id) is not place:
            await slot.close()
            return
        self._levels.add(slot.level)
        place.open += 1
        place.reason = ""
        self._owner[slot] = place
        self._offer(slot)
        self._tell()

    def _begin(self, work: Coroutine[Any, Any, None], tasks: set[asyncio.Task[None]]) -> None:
        task = asyncio.create_task(work)
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    def _tell(self) -> None:
        self._changed.set()
        self._look.set()
        for changed in self._watchers:
            changed()
