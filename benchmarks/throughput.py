"""Children per minute: dry run, training, both predictions of ConvBase under the fast recipe; and with rungs.

    python benchmarks/throughput.py [children] [workers] [--draws 5] [--mutants 40]

One single-thread child per worker, all behind the walls of this machine. Prints one JSON line; then, with
`--draws` above 0, what halving.py measures in the same run: the regret of the winner over rungs and the share
of the CPU time of training every child in full.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import time

import halving

from evaluators.evaluation import Evaluator
from evaluators.program import inside_program
from evaluators.replies import Sound
from evaluators.tasks import load_task
from sandbox.runner import start


async def measure(children: int, workers: int) -> dict[str, object]:
    task = load_task("mnist1d")
    source = task.seeds["conv_base"]
    runner = await start(inside_program())
    evaluator = Evaluator(task, task.recipes["fast"], runner)
    numbers = iter(range(children))
    cpu = 0.0

    async def work() -> None:
        nonlocal cpu
        for number in numbers:
            sound = await evaluator.dry_run(source)
            assert isinstance(sound, Sound), sound
            evaluated = await evaluator.evaluate(source, digest=f"child {number}", repeat=0)
            cpu += sound.usage.cpu_seconds + evaluated.cpu_seconds

    begun = time.monotonic()
    await asyncio.gather(*(work() for _ in range(workers)))
    seconds = time.monotonic() - begun
    await runner.close()
    return {
        "children": children,
        "workers": workers,
        "isolation": str(runner.level),
        "load_before": os.getloadavg()[0],
        "children_per_minute": round(60 * children / seconds, 1),
        "cpu_seconds_per_child": round(cpu / children, 3),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("children", type=int, nargs="?", default=40)
    parser.add_argument("workers", type=int, nargs="?", default=len(os.sched_getaffinity(0)))
    parser.add_argument("--draws", type=int, default=5, help="draws over rungs; 0: none")
    parser.add_argument("--mutants", type=int, default=40, help="children of each draw")
    arguments = parser.parse_args()
    print(json.dumps(asyncio.run(measure(arguments.children, arguments.workers))), flush=True)
    if arguments.draws:
        halving.main(["--draws", str(arguments.draws), "--children", str(arguments.mutants)])
