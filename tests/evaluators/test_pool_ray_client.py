"""The pool of a driver that is no node of its cluster: a client of Ray's, at ray://."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

pytest.importorskip("ray")

from evoarch.evaluators.pools.contract import PROGRAM, PoolContract
from evoarch.evaluators.pools.ray_cluster import connect
from evoarch.evaluators.pools.seam import Need, Walls
from evoarch.evaluators.pools.slots import SlotPool
from kit.ray_nodes import ray_nodes

pytestmark = [
    pytest.mark.slow,
    # Ray leaves the log files of its client server open.
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def pool(loop: asyncio.Runner) -> Iterator[SlotPool]:
    with ray_nodes(1, clients=True) as nodes:
        pool = SlotPool(connect(nodes.client, Walls(PROGRAM), Need()))
        loop.run(pool.start())
        yield pool
        loop.run(pool.close())


class TestRayClientPool(PoolContract):
    """What every pool must do."""
