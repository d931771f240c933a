"""What Ray raises as a call is sent is the loss of a slot, like what it answers."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest

from evoarch.evaluators.pools.contract import PROGRAM
from evoarch.evaluators.pools.ray_cluster import RayCluster, RaySlot
from evoarch.evaluators.pools.seam import Need, Node, Walls
from evoarch.evaluators.pools.shelf import LARGE, Shelf
from evoarch.evaluators.pools.slots import SlotLostError
from evoarch.sandbox.job import Job


class Gone:
    """An actor, or a cluster, that answers nothing: whatever is called raises as it is sent."""

    def __getattr__(self, name: str) -> Any:
        return self

    def __call__(self, *arguments: object, **options: object) -> Any:
        raise ConnectionError("the cluster is gone\nand so on")


def put(array: object) -> object:
    raise MemoryError("the object store is full")


def stored() -> np.ndarray[Any, np.dtype[np.float32]]:
    array = np.zeros(LARGE, np.float32)
    array.flags.writeable = False
    return array


def test_a_call_that_can_not_be_sent_loses_the_slot() -> None:
    slot = RaySlot(Gone(), Gone(), Shelf(put))
    for call in (slot.placed(), slot.warm(), slot.run(1, Job("call", ""))):
        with pytest.raises(SlotLostError, match=r"^ConnectionError: the cluster is gone$"):
            asyncio.run(call)


def test_an_array_that_the_store_refuses_loses_the_slot() -> None:
    slot = RaySlot(Gone(), Gone(), Shelf(put))
    with pytest.raises(SlotLostError, match="MemoryError: the object store is full"):
        asyncio.run(slot.run(1, Job("call", "", {"inputs": stored()})))


def test_an_actor_that_can_not_be_made_is_a_lost_slot() -> None:
    pytest.importorskip("ray")
    cluster = RayCluster(Gone(), Walls(PROGRAM), Need())
    with pytest.raises(SlotLostError, match="ConnectionError: the cluster is gone"):
        asyncio.run(cluster.open(Node("00" * 28, "host")))
