"""What every pool must do, as one importable test class.

Subclass it in a test module and give two fixtures: `loop`, an `asyncio.Runner` that lives as long as `pool`,
and `pool`, which was started with PROGRAM.
"""

from __future__ import annotations

import asyncio
import textwrap

import numpy as np

from evoarch.evaluators.pools.seam import Pool
from evoarch.sandbox.job import Job, Program
from evoarch.sandbox.limits import Level, Limits
from evoarch.sandbox.outcome import Array, ChildOutcome, Finished, Killed, Raised

INSIDE = textwrap.dedent(
    """
    import torch

    def warmup():
        model = torch.nn.Linear(3, 3)
        model(torch.ones(2, 3)).sum().backward()

    def call(genome, arrays, options, announce):
        announce("call")
        return genome.go(arrays), {}

    def echo(genome, arrays, options, announce):
        return arrays, {}

    def draw(genome, arrays, options, announce):
        return {"drawn": torch.rand(4)}, {}
    """
)
PROGRAM = Program({"inside": INSIDE}, "inside")
LIMITS = Limits(wall_clock=30.0, cpu_seconds=20.0, memory=512 << 20, output=8 << 20)
ADDS = "def go(arrays):\n    arrays['data'].add_(1)\n    return arrays"
WAITS = "import torch\n\ndef go(arrays):\n    while True:\n        torch.ones(100).sum()"


class PoolContract:
    """Each test runs a few small children."""

    def run(self, pool: Pool, loop: asyncio.Runner, *jobs: Job) -> list[ChildOutcome]:
        async def together() -> list[ChildOutcome]:
            return await asyncio.gather(*(pool.run(job) for job in jobs))

        return loop.run(together())

    def test_it_has_slots_on_nodes_and_a_level(self, pool: Pool) -> None:
        assert pool.slots >= 1
        assert isinstance(pool.level, Level)
        nodes = pool.nodes()
        assert sum(node.slots for node in nodes) >= pool.slots
        assert all(node.name for node in nodes)

    def test_arrays_come_back_as_they_went_in_order_and_writable(
        self, pool: Pool, loop: asyncio.Runner
    ) -> None:
        large = np.arange(60_000, dtype=np.float32).reshape(2, -1)
        large.setflags(write=False)
        arrays: dict[str, Array] = {
            "large": large,
            "labels": np.array([[1, -2]], dtype=np.int64),
            "nothing": np.zeros((0, 3), dtype=np.float32),
            "mask": np.array([True, False]),
        }
        (got,) = self.run(pool, loop, Job("echo", "", arrays, limits=LIMITS))
        assert isinstance(got, Finished), got
        assert list(got.arrays) == list(arrays)
        for name, array in arrays.items():
            np.testing.assert_array_equal(got.arrays[name], array)
            assert got.arrays[name].dtype == array.dtype
            assert got.arrays[name].flags.writeable
        assert got.usage.seconds > 0

    def test_what_a_child_writes_reaches_nobody(self, pool: Pool, loop: asyncio.Runner) -> None:
        data = np.zeros(100_000, dtype=np.float32)
        data.setflags(write=False)
        job = Job("call", ADDS, {"data": data}, limits=LIMITS)
        for got in self.run(pool, loop, *[job] * (pool.slots + 2)):
            assert isinstance(got, Finished), got
            assert got.arrays["data"].min() == got.arrays["data"].max() == 1
        assert data.max() == 0

    def test_the_seed_decides_what_is_drawn_wherever(self, pool: Pool, loop: asyncio.Runner) -> None:
        jobs = [Job("draw", "", seed=seed, limits=LIMITS) for seed in (1, 2, 1)]
        drawn = []
        for got in self.run(pool, loop, *jobs):
            assert isinstance(got, Finished), got
            drawn.append(list(got.arrays["drawn"]))
        assert drawn[0] == drawn[2] != drawn[1]

    def test_what_a_genome_does_is_the_genomes(self, pool: Pool, loop: asyncio.Runner) -> None:
        raises = Job("call", "def go(arrays):\n    raise ValueError('no')", limits=LIMITS)
        slow = Job("call", WAITS, limits=Limits(0.5, 20.0, 512 << 20, 8 << 20))
        raised, killed = self.run(pool, loop, raises, slow)
        assert isinstance(raised, Raised), raised
        assert (raised.kind, raised.message, raised.line) == ("ValueError", "no", 2)
        assert isinstance(killed, Killed), killed
        assert killed.limit == "evaluation.wall_clock"
        assert isinstance(self.run(pool, loop, Job("draw", "", limits=LIMITS))[0], Finished)

    def test_a_cancelled_child_is_ended_and_the_next_gets_its_own_answer(
        self, pool: Pool, loop: asyncio.Runner
    ) -> None:
        async def cancel_all() -> ChildOutcome:
            endless = Job("call", WAITS, limits=Limits(600.0, 600.0, 512 << 20, 8 << 20))
            tasks = [asyncio.create_task(pool.run(endless)) for _ in range(pool.slots + 1)]
            await asyncio.wait(tasks, timeout=1.0)  # most are under way then, one waits for a slot
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            # Every slot would be taken for ten minutes if a child were left.
            return await pool.run(Job("draw", "", seed=7, limits=LIMITS))

        got = loop.run(cancel_all())
        assert isinstance(got, Finished), got
        assert list(got.arrays) == ["drawn"]
