"""How steady the latency ratio is: a model against itself on a machine that is kept busy, then others.

    python benchmarks/latency.py [--repeats 20] [--quiet]

As many processes as there are cores compute all the while (`--quiet`: none). Prints each repeat of ConvBase
against itself, in how many the ratio is within 1.00 +- 0.05, then the other baselines against ConvBase, as a
table, and exits with 1 where fewer than 19 of 20 are within.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import sys
import time
from multiprocessing.process import BaseProcess

from evoarch.archive.records import Failed
from evoarch.evaluators.evaluation import Evaluator
from evoarch.evaluators.latency import Latency
from evoarch.evaluators.program import inside_program
from evoarch.evaluators.tasks import load_task
from evoarch.sandbox.runner import start

BASE = "conv_base"
NEAR = 0.05
NEEDED = 0.95


def busy() -> None:
    """Computes until it is stopped, or left alone."""
    parent, value = os.getppid(), 1
    while os.getppid() == parent:
        for _ in range(1_000_000):
            value = value * 3 % 1_000_003


def load(processes: int) -> list[BaseProcess]:
    context = multiprocessing.get_context("spawn")
    started: list[BaseProcess] = [context.Process(target=busy, daemon=True) for _ in range(processes)]
    for process in started:
        process.start()
    return started


async def main(repeats: int, processes: int) -> int:
    task = load_task("mnist1d")
    runner = await start(inside_program())
    evaluator = Evaluator(task, task.recipes["fast"], runner)
    workers = load(processes)
    time.sleep(2.0 if workers else 0.0)
    print(f"isolation {runner.level}, {len(os.sched_getaffinity(0))} cores, {processes} busy processes")
    print(f"{'model':<14} {'ratio':>7} {'interval':>17} {'runs':>5} {'seconds':>8} {'CPU s':>6}")
    try:
        found = [await row(evaluator, task.seeds[BASE], task.seeds[BASE], "itself") for _ in range(repeats)]
        for name in sorted(task.seeds):
            if name != BASE:
                await row(evaluator, task.seeds[name], task.seeds[BASE], name)
    finally:
        for worker in workers:
            worker.kill()
        await runner.close()
    near = sum(abs(each.ratio - 1.0) <= NEAR for each in found)
    print(f"against itself: {near} of {repeats} within 1.00 +- {NEAR:.2f}; load {os.getloadavg()[0]:.1f}")
    return int(near < NEEDED * repeats)


async def row(evaluator: Evaluator, source: str, reference: str, name: str) -> Latency:
    began = time.perf_counter()
    found = await evaluator.latency(source, reference)
    if isinstance(found, Failed):
        raise SystemExit(f"{name}: {found.reason}")
    span = f"{found.low:.3f} to {found.high:.3f}"
    took = time.perf_counter() - began
    print(
        f"{name:<14} {found.ratio:>7.3f} {span:>17} {found.runs:>5} {took:>8.1f} {found.cpu_seconds:>6.1f}",
        flush=True,
    )
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--quiet", action="store_true", help="no load but what is there")
    arguments = parser.parse_args()
    count = 0 if arguments.quiet else len(os.sched_getaffinity(0))
    sys.exit(asyncio.run(main(arguments.repeats, count)))
