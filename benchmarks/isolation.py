"""What the walls cost: an empty child, and one that trains 400 steps, at each level against an unlocked fork.

    python benchmarks/isolation.py [CHILDREN]

The levels take turns in blocks, so that a busy moment hits all alike; medians are compared.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time

import numpy as np

from evoarch.sandbox.job import Job, Program
from evoarch.sandbox.level import detect
from evoarch.sandbox.limits import Level
from evoarch.sandbox.outcome import Finished
from evoarch.sandbox.runner import ZygoteRunner, start

INSIDE = """
import torch

def warmup():
    model = torch.nn.Linear(3, 3)
    optimiser = torch.optim.AdamW(model.parameters(), fused=True)
    model(torch.ones(2, 3)).sum().backward()
    optimiser.step()

def empty(genome, arrays, options, announce):
    return {}, {}

def train(genome, arrays, options, announce):
    inputs, targets = arrays["inputs"], arrays["targets"]
    model = torch.nn.Sequential(
        torch.nn.Conv1d(1, 25, 5, 2, 1), torch.nn.ReLU(), torch.nn.Conv1d(25, 25, 3, 2, 1), torch.nn.ReLU(),
        torch.nn.Conv1d(25, 25, 3, 2, 1), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(125, 10),
    )
    optimiser = torch.optim.AdamW(model.parameters(), lr=0.01, fused=True)
    for _ in range(400):
        batch = torch.randint(0, len(inputs), (100,))
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(model(inputs[batch]), targets[batch]).backward()
        optimiser.step()
    return model.state_dict(), {}
"""
BLOCK = 20
TARGET, TRAINING_TARGET = 1.3, 1.02
TRAININGS = 12


def training() -> Job:
    """A child of the size of MNIST-1D: 3500 examples of 40 numbers, ten classes."""
    random = np.random.default_rng(0)
    inputs = random.standard_normal((3500, 1, 40), dtype=np.float32)
    targets = random.integers(0, 10, 3500)
    for array in (inputs, targets):
        array.setflags(write=False)
    return Job("train", "", {"inputs": inputs, "targets": targets})


async def finished(runner: ZygoteRunner, job: Job) -> Finished:
    outcome = await runner.run(job)
    if not isinstance(outcome, Finished):
        raise SystemExit(f"a child did not finish: {outcome}")
    return outcome


async def one(runner: ZygoteRunner) -> float:
    began = time.perf_counter()
    await finished(runner, Job("empty", ""))
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
    # CPU seconds from wait4: a neighbour on the machine moves the wall clock by more than the locks do.
    job = training()
    trained: dict[Level, list[float]] = {level: [] for level in levels}
    for _ in range(TRAININGS):
        for level, runner in runners.items():
            trained[level].append((await finished(runner, job)).usage.cpu_seconds)
    slowest = 1.0
    for level, seconds in trained.items():
        ratio = statistics.median(seconds) / statistics.median(trained[Level.NONE])
        slowest = max(slowest, ratio)
        print(f"{level:9} 400 steps in {statistics.median(seconds):.3f} CPU s, {ratio:.3f} x unlocked")
    for runner in runners.values():
        await runner.close()
    missed = worst > TARGET or slowest > TRAINING_TARGET
    print(f"targets: {TARGET} x empty, {TRAINING_TARGET} x training; {'MISSED' if missed else 'kept'}")
    return int(missed)


if __name__ == "__main__":
    sys.exit(asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)))
