"""What a baseline learns under a CLRS recipe on this machine: validation (16 nodes) and test (64 nodes).

    python -m evaluators.tasks.clrs.prepare bfs minimum
    python benchmarks/clrs_fast.py bfs minimum --seeds 3

Each seed is trained inside the walls and scored outside, first on validation, then (the same weights,
trained again) on the test split. Intervals are Wilson's at 95% over all graded elements of one seed; elements
of one example are not independent, so they are too narrow by up to the square root of nodes.
"""

from __future__ import annotations

import argparse
import asyncio

from evoarch.agent.statistics.intervals import wilson
from evoarch.archive.records import Scored
from evoarch.evaluators.replies import DryRunPassed
from evoarch.evaluators.tasks.clrs.evaluator import ClrsEvaluator
from evoarch.evaluators.tasks.clrs.recipes import ClrsRecipe
from evoarch.evaluators.tasks.clrs.task import ClrsTask
from evoarch.sandbox.genome import source_digest
from evoarch.sandbox.limits import Limits
from evoarch.sandbox.runner import start


async def measure(algorithm: str, name: str, recipe_name: str, seeds: int) -> None:
    task = ClrsTask(algorithm)
    recipe = task.recipes[recipe_name]
    assert isinstance(recipe, ClrsRecipe)
    source = {**task.seeds, **task.published}[name]
    runner = await start(task.program())
    try:
        for repeat in range(seeds):
            line = [f"{algorithm} {name} {recipe.name} seed {repeat}"]
            for split in ("validation", "test"):
                limits = Limits(wall_clock=3600, cpu_seconds=3600, memory=8 << 30)
                offers = task.offers_of(recipe)
                evaluator = ClrsEvaluator(
                    algorithm, task.scope, recipe, runner, offers=offers, limits=limits, split=split
                )
                if not isinstance(await evaluator.dry_run(source), DryRunPassed):
                    raise SystemExit(f"{name} does not pass the dry run")
                found = await evaluator.evaluate(source, digest=source_digest(source), repeat=repeat)
                if not isinstance(found.outcome, Scored):
                    line.append(f"{split} {found.outcome.reason}")
                    continue
                score = found.detail["score"]
                assert isinstance(score, dict)
                span = wilson(score["value"], max(1, len(found.correct) * 8))
                of = f"{score['value']:.4f} [{span.low:.4f}, {span.high:.4f}]"
                line.append(f"{split} {of} in {found.cpu_seconds:.0f} CPU s")
            print(" | ".join(line), flush=True)
    finally:
        await runner.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("algorithms", nargs="+")
    parser.add_argument("--genome", default="standard")
    parser.add_argument("--recipe", default="fast")
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    for algorithm in options.algorithms:
        asyncio.run(measure(algorithm, options.genome, options.recipe, options.seeds))


if __name__ == "__main__":
    main()
