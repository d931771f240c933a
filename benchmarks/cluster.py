"""What a Ray pool costs: its slots' rate, its overhead per child, and where the driver saturates.

    python benchmarks/cluster.py [--part rate|overhead|driver]... [--slots 16] [--address local]

`rate`: evaluations of 1.0 s that sleep in real children behind the walls, on all slots, against one slot's
rate. `overhead`: seconds per child that does nothing, one after the other, on the local pool and on Ray's.
`driver`: a campaign with real proposals (syntactic.mutate: drawn, written, vetted, archived) on 16 to 256
slots. Those slots are simulated: actors of the same Ray that wait 1.0 s in the place of a training and answer
with arrays of real size; everything on the driver's side is real. Takes about five minutes on idle cores.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from evoarch.agent.config.load import Config, parse
from evoarch.agent.operators.registry import build_operator
from evoarch.agent.search.campaign import Campaign
from evoarch.agent.search.campaign_files import open_templates
from evoarch.agent.search.components import Components
from evoarch.archive.store import create
from evoarch.evaluators.fakes import hashed_score
from evoarch.evaluators.pools.ray_cluster import RayCluster, RaySlot, connect
from evoarch.evaluators.pools.seam import Need, Node, Pool, Walls
from evoarch.evaluators.pools.slots import SlotPool
from evoarch.evaluators.replies import DryRunPassed
from evoarch.evaluators.task import Evaluated
from evoarch.evaluators.tasks import load_task
from evoarch.sandbox.genome import source_digest
from evoarch.sandbox.job import Job, Program
from evoarch.sandbox.limits import Level, Limits
from evoarch.sandbox.outcome import Broken, ChildOutcome, Finished, Killed, Raised, Usage
from evoarch.sandbox.runner import start

INSIDE = """
import time

def warmup():
    pass

def nap(genome, arrays, options, announce):
    time.sleep(options["seconds"])
    return {}, {}
"""
PROGRAM = Program({"sleeper": INSIDE}, "sleeper")
DATA = np.zeros((3_500, 40), np.float32)
DATA.setflags(write=False)
WEIGHTS = np.zeros(20_000, np.float32)
LOGITS = np.zeros((500, 10), np.float32)
HOSTS = 4
"""Processes that stand for the nodes of the simulation."""


def nap(seconds: float) -> Job:
    return Job("nap", "", {"data": DATA}, {"seconds": seconds}, limits=Limits(wall_clock=60.0))


@contextlib.asynccontextmanager
async def ray_pool(address: str, slots: int) -> AsyncIterator[SlotPool]:
    """So many slots, however many cores there are: these children only sleep."""
    cores = len(os.sched_getaffinity(0)) if address == "local" else slots
    pool = SlotPool(connect(address, Walls(PROGRAM), Need(cpus=cores / slots)), most=slots)
    try:
        await pool.start()
        while pool.slots < slots:
            await asyncio.sleep(0.1)
        yield pool
    finally:
        await pool.close()


async def each(pool: Any, count: int, at_once: int, seconds: float) -> float:
    """Seconds per child of `count`, so many at a time."""
    room = asyncio.Semaphore(at_once)

    async def one() -> None:
        async with room:
            outcome = await pool.run(nap(seconds))
            assert isinstance(outcome, Finished), outcome

    await asyncio.gather(*(one() for _ in range(at_once)))
    began = time.monotonic()
    await asyncio.gather(*(one() for _ in range(count)))
    return (time.monotonic() - began) / count


async def rate(address: str, slots: int) -> None:
    async with ray_pool(address, slots) as pool:
        alone = 1 / await each(pool, 10, 1, 1.0)
        together = 1 / await each(pool, 10 * slots, slots, 1.0)
    share = together / (slots * alone)
    print(f"{'rate':10} 1 slot {alone:.3f}/s, {slots} slots {together:.2f}/s: {share:.1%} of {slots} x one")


async def overhead(address: str) -> None:
    local = await start(PROGRAM)
    try:
        here = await each(local, 200, 1, 0.0)
    finally:
        await local.close()
    async with ray_pool(address, 1) as pool:
        there = await each(pool, 200, 1, 0.0)
    more = 1000 * (there - here)
    print(f"{'overhead':10} local {1000 * here:.1f} ms, ray {1000 * there:.1f} ms: {more:.1f} ms a child")


# The driver, fed by slots that are simulated


class Host:
    """Stands for a node's slots: many children at a time, each of which waits."""

    async def run(self, ticket: int, job: Job, stored: dict[str, Any]) -> tuple[int, ChildOutcome]:
        await asyncio.sleep(float(str(job.options["seconds"])))
        answer = {"train": {"weights": WEIGHTS}, "predict": {"logits": LOGITS}}.get(job.function, {})
        return ticket, Finished(answer, {}, Usage(1.0, 1.0))


class Simulation(RayCluster):
    """A node of any number of slots, which are calls to a few actors."""

    def __init__(self, cluster: RayCluster, slots: int) -> None:
        self.__dict__.update(cluster.__dict__)
        self._slots, self._opened = slots, 0
        host = self._ray.remote(Host).options(num_cpus=0, max_concurrency=1000)
        self._hosts = [host.remote() for _ in range(HOSTS)]

    async def nodes(self) -> Sequence[Node]:
        return [Node("simulated", "simulated", self._slots, level=Level.FULL)]

    async def open(self, node: Node) -> RaySlot:
        self._opened += 1
        slot = SimulatedSlot(self._ray, self._hosts[self._opened % HOSTS], self._shelf)
        slot.level = Level.FULL
        return slot


class SimulatedSlot(RaySlot):
    async def close(self) -> None:
        return  # Its host has other slots.


class Measured:
    """An evaluation as the common flow makes it: dry run, training of 1.0 s, two predictions."""

    def __init__(self, pool: Pool, seconds: float) -> None:
        self._pool, self._seconds = pool, seconds

    async def dry_run(self, source: str) -> DryRunPassed | Raised | Killed | Broken:
        await self._child("dry_run", source, {})
        return DryRunPassed(function_digest="", params=1)

    async def evaluate(self, source: str, *, digest: str, repeat: int) -> Evaluated:
        trained = await self._child("train", source, {"inputs": DATA}, self._seconds)
        for _ in range(2):
            await self._child("predict", source, {"inputs": DATA, **trained.arrays})
        return Evaluated(hashed_score(source), 1.0, 1.0, weights=trained.arrays)

    async def _child(self, function: str, source: str, arrays: Any, seconds: float = 0.0) -> Finished:
        job = Job(function, source, arrays, {"seconds": seconds}, limits=Limits(wall_clock=60.0))
        outcome = await self._pool.run(job)
        assert isinstance(outcome, Finished), outcome
        return outcome


async def driver(address: str, slots: int, seconds: float) -> None:
    children = max(60, 2 * slots)
    config: Config = parse(
        {
            "campaign": {"name": "driver"},
            "budget": {"evaluations": children},
            "evaluation": {"repeats": 1},
            "operators": [{"name": "syntactic.mutate"}],
        },
        "driver",
    )
    task = load_task("mnist1d")
    pool = SlotPool(Simulation(connect(address, Walls(PROGRAM), Need()), slots))
    await pool.start()
    while pool.slots < slots:
        await asyncio.sleep(0.05)
    with tempfile.TemporaryDirectory() as top:
        folder = Path(top)
        store = create(folder / "campaign", name="driver", seed=0)
        for name, source in task.seeds.items():
            store.add_seed(name, source, source_digest(source))
        operators = [build_operator(config.operators[0], config, open_templates(folder, config))]
        parts = Components(Measured(pool, seconds), task.offers, operators, {}, slots, pool=pool)
        began, cpu = time.monotonic(), time.process_time()
        ending = await Campaign(store, config, parts).run()
        took, cpu = time.monotonic() - began, time.process_time() - cpu
        assert ending.complete, ending
        made = store.totals.entered_training()
        store.close()
    await pool.close()
    ideal = slots / seconds
    print(
        f"{'driver':10} {slots:4} slots: {made / took:6.2f} children/s of {ideal:.0f}, "
        f"{1000 * cpu / made:.0f} ms of the driver's CPU a child",
        flush=True,
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parts = ("rate", "overhead", "driver")
    parser.add_argument("--part", action="append", choices=parts, help="One of them  [default: all]")
    parser.add_argument("--slots", type=int, default=16)
    parser.add_argument("--address", default="local")
    parser.add_argument("--evaluation", type=float, default=1.0, help="Seconds a simulated training takes")
    chosen = parser.parse_args()
    wanted = chosen.part or parts
    if "overhead" in wanted:
        asyncio.run(overhead(chosen.address))
    if "rate" in wanted:
        asyncio.run(rate(chosen.address, chosen.slots))
    if "driver" in wanted:
        for slots in (16, 64, 256):
            asyncio.run(driver(chosen.address, slots, chosen.evaluation))
    return 0


if __name__ == "__main__":
    sys.exit(main())
