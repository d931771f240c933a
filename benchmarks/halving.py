"""What rungs save and what they miss: children of ConvBase on MNIST-1D, each trained in full and over rungs.

    python benchmarks/halving.py [--draws 5] [--children 40] [--first 0] [--rows FILE]

A draw is a list of sound, different mutants of ConvBase by `syntactic.mutate`. Each is trained in full with
the recipe as it is; then the same children arrive in order at the rungs, really pause there, and only those
that the policy promotes go on. Regret: the validation error of the best child that the rungs brought through,
less that of the best in full training, each as measured in its own training. CPU seconds are those of the
children's processes, dry runs and predictions counted on both sides. `--all` trains everybody on, and prints
beside the campaign's policy what others would have done on the same trainings, one row each.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from scipy.stats import kendalltau

from evoarch.agent.base.decision import Decision
from evoarch.agent.config.measuring import RungTable
from evoarch.agent.evaluation.halving import Rung, decide, held, ladder
from evoarch.agent.operators.base import Order, Parent
from evoarch.agent.operators.syntactic.mutate import SyntacticMutate
from evoarch.archive.pareto import Objective
from evoarch.archive.records import Scored
from evoarch.evaluators.evaluation import Evaluator
from evoarch.evaluators.program import inside_program
from evoarch.evaluators.replies import DryRunPassed
from evoarch.evaluators.segments import Segment
from evoarch.evaluators.task import Evaluated
from evoarch.evaluators.tasks.mnist1d import Mnist1d
from evoarch.sandbox.genome import source_digest
from evoarch.sandbox.outcome import Array
from evoarch.sandbox.runner import start
from evoarch.sandbox.vet import vet

RUNGS = (RungTable(share=0.1, keep=0.4), RungTable(share=0.25, keep=0.4))
OBJECTIVES = [Objective("error")]
CHANGES = (1, 2, 3)


@dataclass(frozen=True)
class Child:
    """`dry` and `full_cpu` in CPU seconds; `rungs` and `last` hold (metrics, CPU seconds) of each segment."""

    digest: str
    dry_cpu: float
    full: Mapping[str, float]
    full_cpu: float
    rungs: Sequence[tuple[Mapping[str, float], float]]
    last: tuple[Mapping[str, float], float] | None
    decisions: Sequence[str]


@dataclass(frozen=True)
class Result:
    """One policy on one draw."""

    regret: float
    cpu_ratio: float
    promoted: float


async def mutants(evaluator: Evaluator, base: str, count: int, seed: int) -> list[tuple[str, float]]:
    """Sound, different children of `base`, and the CPU seconds of their dry runs."""
    rng, found, known = random.Random(f"halving {seed}"), list[tuple[str, float]](), {source_digest(base)}
    task = Mnist1d()
    while len(found) < count:
        source = base
        for _ in range(rng.choice(CHANGES)):
            parent = Parent(0, source, {"error": 0.1, "params": 5000.0})
            order = Order(1, [parent], offers=task.offers)
            drafts = await SyntacticMutate().propose(order, rng, None)
            source = drafts[0].source or source
        if vet(source, entry="Model", offers=task.offers) or (digest := source_digest(source)) in known:
            continue
        known.add(digest)
        sound = await evaluator.dry_run(source)
        if isinstance(sound, DryRunPassed):
            found.append((source, sound.usage.cpu_seconds))
    return found


def metrics_of(evaluated: Evaluated) -> Mapping[str, float]:
    """A failure counts as guessing: it can't win."""
    return evaluated.outcome.metrics if isinstance(evaluated.outcome, Scored) else {"error": 1.0}


async def climb(
    whole: Evaluator,
    parts: Evaluator,
    rungs: Sequence[Rung],
    children: Sequence[tuple[str, float]],
    all_on: bool,
) -> list[Child]:
    grown: list[Child] = []
    for source, dry in children:
        digest = source_digest(source)
        full = await whole.evaluate(source, digest=digest, repeat=0)
        reached: list[tuple[Mapping[str, float], float]] = []
        decisions: list[str] = []
        at = 0
        state: Mapping[str, Array] = {}
        for number, rung in enumerate(rungs):
            segment = Segment(at, rung.steps, state)
            evaluated = await parts.evaluate_segment(source, digest=digest, repeat=0, segment=segment)
            reached.append((metrics_of(evaluated), evaluated.cpu_seconds))
            earlier = [c.rungs[number][0] for c in grown if len(c.rungs) > number]
            decisions.append(judged(rung, reached[-1][0], earlier, digest))
            at, state = rung.steps, evaluated.state
            if not state or (not all_on and not Decision(decisions[-1]).goes_on):
                break
        last = None
        if state and (all_on or Decision(decisions[-1]).goes_on):
            segment = Segment(at, parts.steps, state)
            evaluated = await parts.evaluate_segment(source, digest=digest, repeat=0, segment=segment)
            last = metrics_of(evaluated), evaluated.cpu_seconds
        grown.append(Child(digest, dry, metrics_of(full), full.cpu_seconds, reached, last, decisions))
    return grown


def judged(
    rung: Rung, metrics: Mapping[str, float], earlier: Sequence[Mapping[str, float]], digest: str
) -> str:
    if metrics["error"] == 1.0:
        return Decision.REJECTED
    return decide(rung, metrics, earlier, OBJECTIVES, chance=0.9, name=(0, digest))


def _judged(child: Child) -> int:
    """On how many rungs it was before the policy stopped it, if it did."""
    stops = (n for n, decision in enumerate(child.decisions, start=1) if not Decision(decision).goes_on)
    return next(stops, len(child.decisions))


def result_of(children: Sequence[Child]) -> Result:
    """Of the policy that was really followed."""
    through = [c for c in children if c.last and all(Decision(d).goes_on for d in c.decisions)]
    spent = sum(c.dry_cpu + sum(cpu for _, cpu in c.rungs[: _judged(c)]) for c in children)
    spent += sum(c.last[1] for c in through if c.last)
    best = min((c.last[0]["error"] for c in through if c.last), default=1.0)
    whole = sum(c.dry_cpu + c.full_cpu for c in children)
    return Result(best - min(c.full["error"] for c in children), spent / whole, len(through) / len(children))


def replayed(children: Sequence[Child], rungs: Sequence[Rung], chosen: Mapping[str, float]) -> Result:
    """Another policy on trainings that all went on: `chosen` gives the share kept on some of the rungs."""
    judging = {rung.name: rung for rung in rungs}
    arrived: dict[str, list[Mapping[str, float]]] = {name: [] for name in judging}
    spent, best, through = 0.0, 1.0, 0
    for child in children:
        spent += child.dry_cpu
        goes_on = child.last is not None
        for rung, (metrics, cpu) in zip(rungs, child.rungs, strict=False):
            spent += cpu
            if rung.name not in chosen:
                continue
            table = rung.table.model_copy(update={"keep": chosen[rung.name]})
            decision = judged(Rung(rung.name, rung.steps, table), metrics, arrived[rung.name], child.digest)
            arrived[rung.name].append(metrics)
            if not Decision(decision).goes_on:
                goes_on = False
                break
        if goes_on and child.last:
            spent, best, through = spent + child.last[1], min(best, child.last[0]["error"]), through + 1
    whole = sum(c.dry_cpu + c.full_cpu for c in children)
    return Result(best - min(c.full["error"] for c in children), spent / whole, through / len(children))


async def measure(
    draws: Sequence[int], children: int, tables: Sequence[RungTable], all_on: bool
) -> list[list[Child]]:
    task = Mnist1d()
    recipe = task.recipes["fast"]
    rungs = ladder(tables, recipe.steps)
    runner = await start(inside_program())
    try:
        found = []
        for draw in draws:
            whole = Evaluator(task, recipe, runner, campaign_seed=draw, ceiling=1.0)
            parts = Evaluator(task, held(recipe, tables), runner, campaign_seed=draw, ceiling=1.0)
            drawn = await mutants(whole, task.seeds["conv_base"], children, draw)
            found.append(await climb(whole, parts, rungs, drawn, all_on))
            print(f"draw {draw}: {line(result_of(found[-1]))}", flush=True)
        return found
    finally:
        await runner.close()


def line(result: Result) -> str:
    return f"regret {result.regret:+.4f}  CPU {result.cpu_ratio:.1%} of full  promoted {result.promoted:.0%}"


def mean(results: Sequence[Result]) -> Result:
    count = len(results)
    return Result(
        sum(r.regret for r in results) / count,
        sum(r.cpu_ratio for r in results) / count,
        sum(r.promoted for r in results) / count,
    )


def others(found: Sequence[Sequence[Child]], rungs: Sequence[Rung]) -> None:
    """What the same trainings say of other policies, and of how well each rung ranks."""
    for number, rung in enumerate(rungs):
        pairs = [(c.rungs[number][0]["error"], c.last[0]["error"]) for each in found for c in each if c.last]
        tau = kendalltau(*zip(*pairs, strict=True)).statistic if len(pairs) > 1 else math.nan
        print(
            f"{rung.name} at step {rung.steps}: Kendall {tau:.2f} with the last rung, {len(pairs)} children"
        )
    shares = (0.2, 0.3, 0.4, 0.5)
    grid = [{rung.name: keep} for rung in rungs for keep in shares]
    if len(rungs) > 1:
        grid += [{rungs[0].name: a, rungs[1].name: b} for a in (0.4, 0.5, 0.6) for b in (0.4, 0.5)]
    for chosen in grid:
        said = ", ".join(f"{name} keeps {keep}" for name, keep in chosen.items())
        print(f"{said:32} {line(mean([replayed(each, rungs, chosen) for each in found]))}")


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--children", type=int, default=40)
    parser.add_argument(
        "--first", type=int, default=0, help="the first draw's number: others, other children"
    )
    parser.add_argument("--all", action="store_true", help="train everybody on, and compare policies")
    parser.add_argument("--shares", type=float, nargs="+", help="where to pause, as shares of the steps")
    parser.add_argument("--rows", type=Path, help="write every child's numbers to this JSON file")
    arguments = parser.parse_args(argv)
    tables = [RungTable(share=share) for share in arguments.shares or ()] or list(RUNGS)
    found = asyncio.run(
        measure(
            range(arguments.first, arguments.first + arguments.draws),
            arguments.children,
            tables,
            arguments.all,
        )
    )
    print(f"mean:   {line(mean([result_of(each) for each in found]))}")
    if arguments.all:
        others(found, ladder(tables, Mnist1d().recipes["fast"].steps))
    if arguments.rows:
        arguments.rows.write_text(json.dumps([[vars(child) for child in each] for each in found]))


if __name__ == "__main__":
    main()
