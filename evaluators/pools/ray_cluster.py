"""A Ray cluster as a place for slots: its nodes, what fits them, and actors that Ray never restarts.

Restarts and retries are the pool's, so that an attempt is made once and a loss is heard of. Actors belong to
this driver's job: when it ends, however it ends, Ray ends them on every node.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from evoarch.evaluators.pools import ray_reach
from evoarch.evaluators.pools.fits import fits, shortage
from evoarch.evaluators.pools.seam import Need, Node, PoolError, Walls
from evoarch.evaluators.pools.shelf import Shelf, Stored
from evoarch.evaluators.pools.slots import SlotLostError
from evoarch.sandbox.job import Job
from evoarch.sandbox.limits import Level
from evoarch.sandbox.outcome import Array, ChildOutcome, Finished

LOOK_SECONDS = 60.0
"""How long a node may take to say what it offers."""

WARM_SECONDS = 240.0
"""How long a placed slot may take to warm up."""

_HELD = {"CPU": "cpus", "GPU": "gpus", "memory": "memory"}
_INNER = ("object_store_memory", "node:")


class RayCluster:
    """Implements evaluators.pools.slots.Cluster. Made by `connect`."""

    def __init__(self, ray: Any, walls: Walls, need: Need) -> None:
        from evoarch.evaluators.pools import ray_slot

        self._ray, self._walls, self._need, self._side = ray, walls, need, ray_slot
        self._looks: dict[str, Any] = {}
        self._shelf = Shelf(ray.put)

    async def nodes(self) -> Sequence[Node]:
        try:
            found = await asyncio.to_thread(self._ray.nodes)
        except Exception as error:  # noqa: BLE001 - whatever Ray says here, it can't be asked any more
            raise PoolError(f"the Ray cluster is gone: {_line(error)}") from None
        living = [each for each in found if each["Alive"]]
        await asyncio.gather(*(self._look_at(each) for each in living))
        nodes = [self._node(each) for each in living]
        lacking = shortage(nodes, self._need)
        return [
            node
            if node.refused or node.slots
            else replace(node, refused=lacking or shortage([node], self._need))
            for node in nodes
        ]

    async def open(self, node: Node) -> RaySlot:
        options: dict[str, Any] = {
            "num_cpus": self._need.cpus,
            "num_gpus": self._need.gpus,
            "max_restarts": 0,
        }
        options |= {"max_task_retries": 0, "scheduling_strategy": self._on(node.id)}
        if self._need.memory:
            options["memory"] = self._need.memory
        if self._need.resources:
            options["resources"] = dict(self._need.resources)
        with _heard_of():
            actor = self._ray.remote(self._side.SlotHost).options(**options).remote(self._walls)
        slot = RaySlot(self._ray, actor, self._shelf)
        try:
            await slot.placed()
            await asyncio.wait_for(slot.warm(), WARM_SECONDS)
        except TimeoutError:
            await slot.close()
            raise SlotLostError(f"a slot was not warm after {WARM_SECONDS:g} s") from None
        except BaseException:  # whatever it was: its place is given back, then raised on
            await slot.close()
            raise
        return slot

    async def close(self) -> None:
        self._ray.shutdown()

    def _on(self, node: str) -> Any:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        return NodeAffinitySchedulingStrategy(node_id=node, soft=False)

    async def _look_at(self, entry: Mapping[str, Any]) -> None:
        """Asks a node once what it offers; one that could not be asked is asked again at the next look."""
        id_ = entry["NodeID"]
        if not isinstance(self._looks.get(id_), self._side.Look):
            options = {"num_cpus": 0, "max_retries": 0, "scheduling_strategy": self._on(id_)}
            try:
                asked = self._ray.remote(self._side.look).options(**options).remote()
                self._looks[id_] = await asyncio.wait_for(_answer(asked), LOOK_SECONDS)
            except TimeoutError:
                self._looks[id_] = f"no answer within {LOOK_SECONDS:g} s"
            except Exception as error:  # noqa: BLE001 - a node that can't be asked, for whatever reason, gets nothing
                self._looks[id_] = _line(error)

    def _node(self, entry: Mapping[str, Any]) -> Node:
        look = self._looks[entry["NodeID"]]
        held = entry["Resources"].items()
        devices = {_HELD.get(k, k): float(v) for k, v in held if not k.startswith(_INNER)}
        labels = {k: v for k, v in entry["Labels"].items() if k != "ray.io/node-id"}
        # Several nodes may share a host, and a host may come back as another node.
        name = f"{entry['NodeManagerHostname']}/{entry['NodeID'][:6]}"
        node = Node(entry["NodeID"], name, devices=devices, labels=labels)
        if not isinstance(look, self._side.Look):
            return replace(node, refused=f"it can't be asked: {look}")
        node = replace(node, level=look.level, reasons=look.reasons, versions=look.versions)
        refused = self._below(look) or _differs(look.versions, self._side.versions())
        return replace(node, refused=refused) if refused else replace(node, slots=fits(node, self._need))

    def _below(self, look: Any) -> str:
        least = self._walls.least
        enough = look.level is not Level.NONE and look.level.at_least(least)
        if self._walls.unsafe or enough:
            return ""
        return f"sandbox.level: expected at least {least}, it offers {look.level}: {'; '.join(look.reasons)}"


class RaySlot:
    """Implements evaluators.pools.slots.Slot: one actor."""

    def __init__(self, ray: Any, actor: Any, shelf: Shelf) -> None:
        self._ray, self._actor, self._shelf = ray, actor, shelf
        self.level = Level.NONE

    async def placed(self) -> None:
        """Waits, however long it takes, until the node has room for it."""
        with _heard_of():
            await _answer(self._actor.__ray_ready__.remote())

    async def warm(self) -> None:
        with _heard_of():
            level, problem = await _answer(self._actor.warm.remote())
        if level is None:
            raise SlotLostError(problem)
        self.level = level

    async def run(self, ticket: int, job: Job) -> tuple[int, ChildOutcome]:
        with _heard_of():
            placed = {name: self._shelf.place(array) for name, array in job.arrays.items()}
            stored: dict[str, Stored] = {name: found for name, found in placed.items() if found}
            # A name keeps its place among the arrays; what stands there is small.
            inline = {name: _NOTHING if name in stored else array for name, array in job.arrays.items()}
            sent = replace(job, arrays=inline)
            answered, outcome = await _answer(self._actor.run.remote(ticket, sent, stored))
        return answered, _writable(outcome)

    async def close(self) -> None:
        with contextlib.suppress(Exception):  # gone already, or the cluster is: what was wanted
            self._ray.kill(self._actor, no_restart=True)


_NOTHING = np.zeros(0, np.uint8)


def connect(address: str, walls: Walls, need: Need) -> RayCluster:
    """Joins the cluster at `address`: "auto", "ray://host:port", "host:port", or "local" for one that is
    started on this machine's loopback and ends with this process. Takes up to half a minute.

    Raises PoolError where Ray is not installed or nobody answers.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError:
        raise PoolError("evaluation.pool: ray is not installed; pip install 'evoarch[ray]'") from None
    if address != "local" and (problem := ray_reach.problem(address)):
        raise PoolError(f"evaluation.address: expected a Ray cluster at {address!r}, got: {problem}")
    options: dict[str, Any] = {"address": address, "log_to_driver": False, "logging_level": logging.CRITICAL}
    if address == "local":
        options |= {"num_cpus": len(os.sched_getaffinity(0)), "include_dashboard": False}
        options |= {"_node_ip_address": "127.0.0.1"}
        # Ray's workers are nice to others by 15; here they are what this machine is for.
        os.environ.setdefault("RAY_worker_niceness", "0")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # It warns of what it then raises.
            ray.init(**options)
    except Exception as error:  # noqa: BLE001 - Ray says the same with ConnectionError, ValueError, RuntimeError
        raise PoolError(f"evaluation.address: {address!r}: {_line(error)}") from None
    return RayCluster(ray, walls, need)


async def _answer(ref: Any) -> Any:
    """What a call returned. Whoever stops waiting leaves the call alone."""
    future = asyncio.wrap_future(ref.future())
    future.add_done_callback(lambda done: done.cancelled() or done.exception())
    return await asyncio.shield(future)


@contextlib.contextmanager
def _heard_of() -> Iterator[None]:
    """Whatever a call of Ray raises, as it is sent or answered, is the loss of its slot."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - the slot's own code catches what a child does: this is Ray's news
        raise SlotLostError(_line(error)) from None


def _line(error: Exception) -> str:
    """The kind of a Ray error and what it says first, or last after a traceback: some are pages."""
    said = [line.strip() for line in str(error).splitlines() if line.strip()] or [""]
    told = said[-1] if any(line.startswith("Traceback") for line in said) else said[0]
    return f"{type(error).__name__}: {told}"[:300]


def _differs(theirs: Mapping[str, str], ours: Mapping[str, str]) -> str:
    """Scores of another torch can't stand beside those of this one."""
    other = [f"{name} {ours[name]}, it has {theirs[name]}" for name in ours if theirs[name] != ours[name]]
    return f"expected {'; '.join(other)}" if other else ""


def _writable(outcome: ChildOutcome) -> ChildOutcome:
    """Arrays come as views of the object store."""
    if not isinstance(outcome, Finished):
        return outcome
    arrays: dict[str, Array] = {
        name: array if array.flags.writeable else array.copy() for name, array in outcome.arrays.items()
    }
    return replace(outcome, arrays=arrays)
