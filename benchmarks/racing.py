"""Does a race for further training seeds find the best of ten with half the trainings?

    python -m benchmarks.racing [--table benchmarks/data/racing.npz] [--races 500] [--seeds 6 4]

The table holds ten models of much the same quality and twenty real training seeds of each (MNIST-1D, recipe
`fast`); it is made where it is missing, in about ten minutes of CPU, and goes on where it was stopped
(benchmarks/racing_table.py). A race draws training seeds from the table, with replacement, so that a model's
true error is its mean over the table. Equal allocation gives each model `--seeds` seeds and takes the lowest
mean; the race has half as many in all: one for each model, the others where racing.next_seeds says,
whose winner is the one with the lowest upper bound, as on a campaign's front. Regret is the true error of the
winner less the lowest. Both draw a model's seeds from the same sequence, so that their difference is paired.

The rule, the batch and the bound were chosen on made-up tables and under `--stream design`; the figures are
of `--stream report`.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from benchmarks.racing_table import make, read
from numpy.typing import NDArray

from evoarch.agent.base.rng import stream
from evoarch.agent.evaluation.racing import next_seeds
from evoarch.agent.evaluation.reevaluation import BATCH
from evoarch.agent.statistics.noise import Noise, pooled
from evoarch.archive.pareto import Objective

TABLE = Path(__file__).parent / "data" / "racing.npz"
GOALS = (Objective("error"),)
Floats = NDArray[np.float64]


def equal(draws: Floats, seeds: int) -> int:
    """The model with the lowest mean over its first `seeds` draws."""
    return int(draws[:, :seeds].mean(axis=1).argmin())


def race(draws: Floats, budget: int, examples: int, rng: np.random.Generator, batch: int) -> int:
    """The winner of a race of `budget` trainings in all; `draws`: each model's errors in order."""
    count = np.ones(len(draws), dtype=int)
    while count.sum() < budget:
        means, noise = standing(draws, count, examples)
        rows = [{"error": error} for error in means]
        left = min(batch, budget - int(count.sum()))
        chosen = next_seeds(rows, count.tolist(), GOALS, noise, rng, batch=left)
        if not chosen:
            break
        count[chosen] += 1
    means, noise = standing(draws, count, examples)
    return int(noise.bound(means, count.tolist()).argmin())


def standing(draws: Floats, count: NDArray[np.int64], examples: int) -> tuple[list[float], Noise]:
    seen = {place: draws[place, :n].tolist() for place, n in enumerate(count)}
    return [float(np.mean(errors)) for errors in seen.values()], pooled(seen, examples)


def main(argv: Sequence[str] | None = None) -> None:
    """1 where on the whole table a race has a higher regret than equal with twice as many, beyond noise."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--table", type=Path, default=TABLE)
    parser.add_argument("--races", type=int, default=500)
    parser.add_argument("--seeds", type=int, nargs="+", default=[6, 4])
    parser.add_argument("--stream", default="report", help="names the resampling's randomness")
    arguments = parser.parse_args(argv)
    table = read(arguments.table) if arguments.table.exists() else asyncio.run(make(arguments.table))
    examples = table.correct.shape[2]
    errors = (table.wrong + 1) / (examples + 2)
    truth, spread = errors.mean(axis=1), errors.std(axis=1, ddof=1)
    print(f"{len(errors)} models x {errors.shape[1]} training seeds, {examples} validation examples")
    for mean, deviation in sorted(zip(truth, spread, strict=True)):
        print(f"  mean error {mean:.4f}, standard deviation over seeds {deviation:.4f}")
    dispersion = float(np.mean(spread**2 / (truth * (1 - truth))))
    print(f"dispersion D of seeds: {dispersion:.4f}")
    print("\ntrainings  how                 mean regret [95%]              against equal, twice as many")
    for seeds in arguments.seeds:
        compare(errors, examples, seeds, arguments.races, arguments.stream)
    print("\nwithout the best model, whose lead the others lack")
    rest = np.delete(errors, truth.argmin(), axis=0)
    for seeds in arguments.seeds:
        compare(rest, examples, seeds, arguments.races, arguments.stream)


def compare(errors: Floats, examples: int, seeds: int, races: int, name: str) -> None:
    """Prints equal allocation and what half of its trainings reach."""
    truth, whole = errors.mean(axis=1), len(errors) * seeds
    ways: dict[str, Callable[[Floats, np.random.Generator], int]] = {
        "equal, twice": lambda draws, _: equal(draws, seeds),
        "equal": lambda draws, _: equal(draws, seeds // 2),
        "race": lambda draws, rng: race(draws, whole // 2, examples, rng, 1),
        f"race, {BATCH} at a time": lambda draws, rng: race(draws, whole // 2, examples, rng, BATCH),
    }
    found = {way: np.zeros(races) for way in ways}
    for number in range(races):
        start = stream(0, "racing", name, seeds, number).getrandbits(64)
        # With replacement, and more than any model can be given.
        places = np.random.default_rng(start).integers(errors.shape[1], size=(len(errors), whole))
        draws = np.take_along_axis(errors, places, axis=1)
        for way, choose in ways.items():
            found[way][number] = truth[choose(draws, np.random.default_rng(start + 1))] - truth.min()
    base = found.pop("equal, twice")
    print(f"{whole:9}  {'equal':18}  {interval(base)}")
    for way, regrets in found.items():
        print(f"{whole // 2:9}  {way:18}  {interval(regrets)}  {interval(regrets - base)}")


def interval(values: Floats) -> str:
    """The mean and its 95% interval."""
    mean, half = float(values.mean()), 1.96 * float(values.std(ddof=1)) / len(values) ** 0.5
    return f"{mean:+.5f} [{mean - half:+.5f}, {mean + half:+.5f}]"


if __name__ == "__main__":
    main()
