"""What the walls cost: an empty child at each level against an unlocked fork, and how fast a zygote starts.

    python benchmarks/isolation.py [CHILDREN]

The levels take turns in blocks, so that a busy moment hits all alike; medians are compared.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time

from sandbox.job import Job, Program
from sandbox.level import detect
from sandbox.limits import Level
from sandbox.outcome import Finished
from sandbox.runner import ZygoteRunner, start

INSIDE = """
import torch

def warmup():
    model = torch.nn.Linear(3, 3)
    optimiser = torch.optim.AdamW(model.parameters(), fused=True)
    model(torch.ones(2, 3)).sum().backward()
    optimiser.step()

def empty(genome, arrays, options, announce):
    return {}, {}
"""
BLOCK = 20
TARGET = 1.3


async def one(runner: ZygoteRunner) -> float:
    began = time.perf_counter()
    outcome = await runner.run(Job("empty", ""))
    if not isinstance(outcome, Finished):
        raise SystemExit(f"an empty child did not finish: {outcome}")
    return time.perf_counter() - began


async def throughput(runner: ZygoteRunner, children: int, slots: int) -> float:
    gate = asyncio.Semaphore(slots)

    async def gated() -> None:
        async with gate:
            await one(runner)

    began = time.perf_counter()
    await asyncio.gather(*(gated() for _ in range(children)))
    return children / (time.perf_counter() - began)


async def main(children: int) -> int:
    best = detect().level
    levels = [Level.NONE] + ([Level.LANDLOCK] if best is not Level.NONE else [])
    levels += [Level.FULL] if best is Level.FULL else []
    runners: dict[Level, ZygoteRunner] = {}
    for level in levels:
        began = time.perf_counter()
        runners[level] = await start(Program({"inside": INSIDE}, "inside"), level=level, unsafe=True)
        print(f"{level:9} zygote warm in {time.perf_counter() - began:.2f} s")
    taken: dict[Level, list[float]] = {level: [] for level in levels}
    for _ in range(max(1, children // BLOCK)):
        for level, runner in runners.items():
            await one(runner)
            taken[level] += [await one(runner) for _ in range(BLOCK)]
    unlocked = statistics.median(taken[Level.NONE])
    worst = 1.0
    for level, seconds in taken.items():
        ratio = statistics.median(seconds) / unlocked
        worst = max(worst, ratio)
        rate = await throughput(runners[level], children, 2)
        print(
            f"{level:9} fork to result {1000 * statistics.median(seconds):6.2f} ms "
            f"(median of {len(seconds)}), {ratio:.2f} x unlocked, {rate:.0f} children/s on two slots"
        )
    for runner in runners.values():
        await runner.close()
    print(f"target: at most {TARGET} x; {'kept' if worst <= TARGET else 'MISSED'}")
    return int(worst > TARGET)


if __name__ == "__main__":
    sys.exit(asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)))
