"""How often does a confirmation call an improvement that is none, and find one that is real?

    python benchmarks/null_campaigns.py [--campaigns 2000] [--seeds 10] [--examples 10000]

A null campaign: 150 candidates whose true error is the seed's own. The search picks the one of the lowest
error on 500 validation examples and one training seed; the confirmation retrains it and the seed `--seeds`
times and asks the tests, and the decision is the product's own (confirmation.improved). Then the
same with a best candidate whose error is a quarter lower. Errors of training seeds scatter around the true
one with `--scatter` of it; an example's difficulty is drawn once and shared by all models, as real examples
are hard for all alike (a Beta distribution of wrong answers, `--hardness`).
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evoarch.agent.statistics.intervals import wilson
from evoarch.agent.statistics.paired import improved


@dataclass(frozen=True)
class World:
    """`error`: the seed's true error; `scatter`: standard deviation over training seeds, relative to the
    error; `hardness`: the shape of the Beta distribution that examples' chances to be wrong are drawn from.
    """

    error: float
    scatter: float
    hardness: float
    examples: int
    seeds: int

    def trained(self, error: float, rng: np.random.Generator, count: int) -> NDArray[np.float64]:
        """True errors of `count` trainings of a candidate."""
        return np.clip(rng.normal(error, self.scatter * error, count), 1e-4, 0.9)

    def answers(
        self, error: float, rng: np.random.Generator, hard: NDArray[np.float64]
    ) -> list[NDArray[np.float32]]:
        """What each training gets right on the same examples: (examples,) for each seed."""
        scale = self.trained(error, rng, self.seeds) / hard.mean()
        return [
            (rng.random(self.examples, np.float32) >= hard * factor).astype(np.float32) for factor in scale
        ]


def campaign(
    world: World, rng: np.random.Generator, *, candidates: int, validation: int, gain: float
) -> tuple[bool, float]:
    """Whether the confirmation calls the search's best an improvement, and what the search showed for it.

    `gain` 0: a null campaign; else the best of the candidates is better by that share.
    """
    errors = world.trained(world.error, rng, candidates)
    shown = rng.binomial(validation, errors) / validation
    hard = rng.beta(world.hardness, world.hardness * (1 / world.error - 1), world.examples).astype(np.float32)
    best = world.error * (1 - gain)
    found = improved(world.answers(best, rng, hard), world.answers(world.error, rng, hard))
    return found, float(shown.min())


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--campaigns", type=int, default=2000)
    parser.add_argument("--candidates", type=int, default=150)
    parser.add_argument("--validation", type=int, default=500)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--examples", type=int, default=10_000)
    parser.add_argument("--error", type=float, default=0.02)
    parser.add_argument("--scatter", type=float, default=0.12)
    parser.add_argument("--hardness", type=float, default=0.1)
    chosen = parser.parse_args()
    world = World(chosen.error, chosen.scatter, chosen.hardness, chosen.examples, chosen.seeds)
    print(
        f"true error {world.error:.1%}, training seeds scatter by {world.scatter:.0%} of it, "
        f"{world.seeds} seeds, {world.examples:,} test examples"
    )
    for name, gain in (("no candidate is better", 0.0), ("the best is better by a quarter", 0.25)):
        rng = np.random.default_rng(0)
        runs = [
            campaign(world, rng, candidates=chosen.candidates, validation=chosen.validation, gain=gain)
            for _ in range(chosen.campaigns)
        ]
        called = sum(found for found, _ in runs)
        share = wilson(called / len(runs), len(runs))
        print(
            f"{name}: the search shows {np.mean([shown for _, shown in runs]):.2%} for its best of "
            f"{chosen.candidates}; called an improvement in {called} of {len(runs)} campaigns "
            f"({called / len(runs):.1%} [{share.low:.1%}, {share.high:.1%}])"
        )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
