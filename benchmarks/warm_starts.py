"""Do scores of children that begin with their parents' weights rank them as they end up?

    python benchmarks/warm_starts.py [--pairs 20] [--warm 100] [--converged 2000] [--state FILE]

Parents and children come from ConvBase on MNIST-1D by `syntactic.mutate`; each child has a parent of its own.
A child is trained three times: warm, for some steps from its parent's weights; cold, for as many steps as the
warm training is charged for (its own and its parent's); and converged, cold for long. Printed are Kendall's
rank correlations of the warm and of the cold errors with the converged ones, their difference with a 95%
interval (bootstrap over the pairs), and the shares inherited. Resumable: each pair is a line of --state.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from scipy.stats import kendalltau

from evoarch.agent.operators.base import Order, Parent
from evoarch.agent.operators.syntactic.mutate import SyntacticMutate
from evoarch.archive.records import Scored
from evoarch.evaluators.evaluation import Evaluator
from evoarch.evaluators.program import inside_program
from evoarch.evaluators.replies import DryRunPassed
from evoarch.evaluators.segments import Segment
from evoarch.evaluators.task import Evaluated
from evoarch.evaluators.tasks.mnist1d import Mnist1d
from evoarch.sandbox.genome import source_digest
from evoarch.sandbox.limits import Limits
from evoarch.sandbox.runner import start
from evoarch.sandbox.vet import vet

RESAMPLES = 2000
LIMITS = Limits(wall_clock=600.0, cpu_seconds=600.0)
"""On a busy machine no child fails for the time that others take."""


@dataclass(frozen=True)
class Pair:
    """Errors (0..1) of one child under the three trainings, and the share that it inherited."""

    warm: float
    cold: float
    converged: float
    share: float
    digests: tuple[str, str]
    """Source digests of parent and child."""


async def mutant(evaluator: Evaluator, source: str, rng: random.Random, known: set[str]) -> str:
    """A sound child of `source` that is none of `known`; it is added to them."""
    task = Mnist1d()
    while True:
        parent = Parent(0, source, {"error": 0.1, "params": 5000.0})
        drafts = await SyntacticMutate().propose(Order(1, [parent], offers=task.offers), rng, None)
        child = drafts[0].source
        if not child or vet(child, entry="Model", offers=task.offers):
            continue
        if (digest := source_digest(child)) in known:
            continue
        known.add(digest)
        if isinstance(await evaluator.dry_run(child), DryRunPassed):
            return child


def error_of(evaluated: Evaluated) -> float:
    return evaluated.outcome.metrics["error"] if isinstance(evaluated.outcome, Scored) else 1.0


async def measure(pairs: int, warm: int, converged: int, seed: int, state: Path) -> list[Pair]:
    found = [Pair(**json.loads(line)) for line in state.read_text().splitlines()] if state.exists() else []
    task = Mnist1d()
    recipe = task.recipes["fast"]
    runner = await start(inside_program())

    def evaluator(steps: int) -> Evaluator:
        changed = replace(recipe, steps=steps)
        return Evaluator(task, changed, runner, limits=LIMITS, campaign_seed=seed, ceiling=1.0)

    grown = evaluator(recipe.steps)
    short, equal, long = evaluator(warm), evaluator(warm + recipe.steps), evaluator(converged)
    known = {digest for pair in found for digest in pair.digests}
    try:
        while len(found) < pairs:
            # Of its own name, so that a run that goes on draws what one in one go draws.
            rng = random.Random(f"warm starts {seed} {len(found)}")
            parent = await mutant(grown, task.seeds["conv_base"], rng, known)
            child = await mutant(grown, parent, rng, known)
            old = await grown.evaluate(parent, digest=source_digest(parent), repeat=0)
            if not old.weights:
                continue  # A parent that failed is none; being known, it is not drawn again.
            digest = source_digest(child)
            segment = Segment(0, warm, inherit=old.weights)
            started = await short.evaluate_segment(child, digest=digest, repeat=0, segment=segment)
            cold = await equal.evaluate(child, digest=digest, repeat=0)
            ended = await long.evaluate(child, digest=digest, repeat=0)
            share = started.detail.get("inherited_share", 0.0)
            assert isinstance(share, float)
            digests = (source_digest(parent), digest)
            found.append(Pair(error_of(started), error_of(cold), error_of(ended), share, digests))
            with state.open("a") as file:
                file.write(json.dumps(asdict(found[-1])) + "\n")
            print(f"pair {len(found)}: {found[-1]}", flush=True)
        return found[:pairs]
    finally:
        await runner.close()


def taus(pairs: Sequence[Pair]) -> tuple[float, float]:
    """Kendall's tau-b of the warm and of the cold errors with the converged ones."""
    ends = [pair.converged for pair in pairs]
    warm, cold = (kendalltau([getattr(p, name) for p in pairs], ends).statistic for name in ("warm", "cold"))
    return float(warm), float(cold)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--warm", type=int, default=100, help="steps of the warm training itself")
    parser.add_argument("--converged", type=int, default=2000, help="steps of the converged training")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--state", type=Path, default=Path("warm_starts.jsonl"), help="a line a pair")
    arguments = parser.parse_args(argv)
    steps = arguments.warm, arguments.converged
    found = asyncio.run(measure(arguments.pairs, *steps, arguments.seed, arguments.state))
    warm, cold = taus(found)
    rng = np.random.default_rng(arguments.seed)
    drawn = [taus([found[i] for i in rng.integers(len(found), size=len(found))]) for _ in range(RESAMPLES)]
    low, high = np.nanpercentile([one - other for one, other in drawn], [2.5, 97.5])
    charged = arguments.warm + Mnist1d().recipes["fast"].steps
    shares = [pair.share for pair in found]
    print(
        f"{'training':24} {'steps':>6} {'charged':>8}  Kendall with converged ({arguments.converged} steps)"
    )
    print(f"{'warm':24} {arguments.warm:6} {charged:8}  {warm:.3f}")
    print(f"{'cold':24} {charged:6} {charged:8}  {cold:.3f}")
    print(f"difference {warm - cold:+.3f} (95% {low:+.3f} to {high:+.3f}) over {len(found)} pairs")
    print(f"inherited share: median {np.median(shares):.2f}, lowest {min(shares):.2f}")


if __name__ == "__main__":
    main()
