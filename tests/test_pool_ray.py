"""The pool on a real Ray of three nodes on one machine."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
pytest.importorskip("ray")

from ray_nodes import Nodes, ray_nodes

from evaluators.pools.contract import PROGRAM, PoolContract
from evaluators.pools.ray_cluster import connect
from evaluators.pools.seam import Need, Walls
from evaluators.pools.slots import SlotPool

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    with ray_nodes(1, 1) as found:
        yield found


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as loop:
        yield loop


@pytest.fixture(scope="module")
def pool(nodes: Nodes, loop: asyncio.Runner) -> Iterator[SlotPool]:
    pool = SlotPool(connect(nodes.address, Walls(PROGRAM), Need()))
    loop.run(pool.start())
    yield pool
    loop.run(pool.close())


class TestRayPool(PoolContract):
    """What every pool must do."""
