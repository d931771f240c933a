"""Children per minute: dry run, training and both predictions of ConvBase under the fast recipe.

    python benchmarks/throughput.py [children] [workers]

One single-thread child per worker, all behind the walls of this machine. Prints one JSON line.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time

from evaluators.evaluation import Evaluator, Sound
from evaluators.program import inside_program
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
    arguments = [int(argument) for argument in sys.argv[1:]]
    children = arguments[0] if arguments else 40
    workers = arguments[1] if len(arguments) > 1 else len(os.sched_getaffinity(0))
    print(json.dumps(asyncio.run(measure(children, workers))))
