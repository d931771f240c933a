"""Do zero-cost scores rank children as full training does, and better than their number of parameters does?

    python benchmarks/zero_cost.py [--children 30] [--task mnist1d] [--state FILE]

Children are sound, different mutants of the task's baselines in turn, one to four changes of
`syntactic.mutate` each, trained in full with the recipe `fast`. Printed are, for each score and for the
parameter count: Spearman's rank correlation with the final accuracy over all (95%: Bonett and Wright 2000);
Kendall's tau over pairs of about one size (parameters within a factor of 1.5) with the number of pairs (95%:
bootstrap over the children); and CPU seconds a child. Resumable: each child is a line of --state.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from evoarch.agent.analysis.early_stopping import score_correlation
from evoarch.agent.operators.base import Order, Parent
from evoarch.agent.operators.syntactic.mutate import SyntacticMutate
from evoarch.archive.records import Scored
from evoarch.evaluators.evaluation import Evaluator
from evoarch.evaluators.program import inside_program
from evoarch.evaluators.replies import DryRunPassed
from evoarch.evaluators.task import SupervisedTask
from evoarch.evaluators.tasks import load_task
from evoarch.evaluators.zero_cost import GRADSIGN, NASWOT, PARAMS
from evoarch.sandbox.genome import source_digest
from evoarch.sandbox.limits import Limits
from evoarch.sandbox.runner import start
from evoarch.sandbox.vet import vet

BAND = 1.5
LIMITS = Limits(wall_clock=600.0)
"""On a busy machine no child fails for the time that others take."""
RESAMPLES = 2000
Row = dict[str, Any]


def concordance(
    values: Sequence[float], errors: Sequence[float], params: Sequence[float], band: float
) -> tuple[float, int]:
    """Kendall's tau-a of `values` with accuracy over those pairs whose `params` differ by at most the factor
    `band`, and how many these are; (nan, 0) without any. Pairs that tie in either count as 0. scipy's tau
    knows no choice of pairs.
    """
    value, error, size = (np.asarray(each, np.float64) for each in (values, errors, params))
    one, other = np.triu_indices(len(value), k=1)
    near = np.maximum(size[one], size[other]) <= band * np.minimum(size[one], size[other])
    one, other = one[near], other[near]
    if not len(one):
        return math.nan, 0
    # Compared, not subtracted: -inf less -inf is no number.
    up = (value[one] > value[other]).astype(int) - (value[one] < value[other])
    return float(np.mean(up * np.sign(error[other] - error[one]))), len(one)


async def mutant(task: SupervisedTask, source: str, rng: random.Random) -> str:
    for _ in range(rng.choice((1, 2, 3, 4))):
        parent = Parent(0, source, {"error": 0.1, "params": 5000.0})
        drafts = await SyntacticMutate().propose(Order(1, [parent], offers=task.offers), rng, None)
        source = drafts[0].source or source
    return source


async def finished(
    evaluator: Evaluator, task: SupervisedTask, number: int, seed: int, known: set[str]
) -> Row:
    """The row of child `number`: the first sound new mutant that its own randomness draws, trained."""
    rng = random.Random(f"zero cost {seed} {number}")
    base = [*task.seeds][number % len(task.seeds)]
    while True:
        source = await mutant(task, task.seeds[base], rng)
        if vet(source, entry="Model", offers=task.offers) or (digest := source_digest(source)) in known:
            continue
        sound = await evaluator.dry_run(source)
        if not isinstance(sound, DryRunPassed):
            continue
        row: Row = {"number": number, "base": base, "digest": digest, PARAMS: sound.params}
        row["cpu"] = {PARAMS: 0.0}
        for name in (NASWOT, GRADSIGN):
            scored = await evaluator.zero_cost(source, digest=digest, scores=(name,))
            row[name], row["cpu"][name] = scored.values.get(name), scored.cpu_seconds
        evaluated = await evaluator.evaluate(source, digest=digest, repeat=0)
        row["cpu"]["training"] = evaluated.cpu_seconds
        if isinstance(evaluated.outcome, Scored) and row[NASWOT] is not None and row[GRADSIGN] is not None:
            return {**row, "error": evaluated.outcome.metrics["error"]}


async def measure(name: str, children: int, seed: int, state: Path) -> list[Row]:
    rows = [json.loads(line) for line in state.read_text().splitlines()] if state.exists() else []
    task = load_task(name)
    if not isinstance(task, SupervisedTask):
        raise SystemExit(f"--task {name}: expected a task of examples, which the common evaluator trains")
    runner = await start(inside_program())
    try:
        evaluator = Evaluator(
            task, task.recipes["fast"], runner, limits=LIMITS, campaign_seed=seed, ceiling=1.0
        )
        for number in range(len(rows), children):
            row = await finished(evaluator, task, number, seed, {row["digest"] for row in rows})
            rows.append(row)
            with state.open("a") as file:
                file.write(json.dumps(row) + "\n")
            print(f"child {number + 1}/{children} of {row['base']}: error {row['error']:.3f}", flush=True)
        return rows[:children]
    finally:
        await runner.close()


def report(rows: Sequence[Row], seed: int) -> list[str]:
    errors, params = ([row[key] for row in rows] for key in ("error", PARAMS))
    rng = np.random.default_rng(seed)
    draws = [rng.integers(len(rows), size=len(rows)) for _ in range(RESAMPLES)]
    near = f"Kendall within x{BAND} in size"
    lines = [f"{'score':10} {'Spearman, all':24} {near:32} CPU s a child"]
    for name in (PARAMS, NASWOT, GRADSIGN):
        values = [row[name] for row in rows]
        told = score_correlation(name, values, errors)
        all_of = "too few"
        if told.spearman is not None:
            all_of = f"{told.spearman:+.2f} ({told.low:+.2f} to {told.high:+.2f})"
        tau, pairs = concordance(values, errors, params, BAND)
        drawn = []
        for draw in draws:
            # A child that was drawn twice makes no pair with itself.
            one, other, size = ([each[i] for i in np.unique(draw)] for each in (values, errors, params))
            drawn.append(concordance(one, other, size, BAND)[0])
        low, high = np.nanpercentile(drawn, [2.5, 97.5])
        within = f"{tau:+.2f} ({low:+.2f} to {high:+.2f}), {pairs} pairs"
        cost = np.mean([row["cpu"][name] for row in rows])
        lines.append(f"{name:10} {all_of:24} {within:32} {cost:.3f}")
    training = np.mean([row["cpu"]["training"] for row in rows])
    return [*lines, f"{len(rows)} children; a full training takes {training:.3f} CPU s"]


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--children", type=int, default=30)
    parser.add_argument("--task", default="mnist1d")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--state", type=Path, default=Path("zero_cost.jsonl"), help="a line a child")
    arguments = parser.parse_args(argv)
    rows = asyncio.run(measure(arguments.task, arguments.children, arguments.seed, arguments.state))
    print("\n".join(report(rows, arguments.seed)))


if __name__ == "__main__":
    main()
