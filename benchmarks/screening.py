"""What screening costs: CPU seconds of a proposal, and of refitting and picking in a large archive.

    python -m benchmarks.screening [--part proposal|large]... [--slots 30]

`proposal`: campaigns on mnist1d whose drafts are really drawn, written, vetted, and built behind the walls;
only their trainings are fakes, which cost nothing. CPU seconds of a slot, of this process and of the children
that build, are compared with those of the same campaign without screening, in one run. `large`: one refit and
one pick of 32 in an archive of 10^5 labelled candidates.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import pstats
import random
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from evoarch.agent.config.load import Config, parse
from evoarch.agent.evaluation.bench import open_bench, plan_bench
from evoarch.agent.operators.registry import build_operators
from evoarch.agent.search.campaign import Campaign
from evoarch.agent.search.campaign_files import open_templates
from evoarch.agent.search.components import Components
from evoarch.agent.surrogate.choice import Chooser
from evoarch.agent.surrogate.surrogate import Surrogate
from evoarch.archive.records import Evaluation, Scored, State
from evoarch.archive.store import create
from evoarch.evaluators.fakes import StubEvaluator, hashed_score
from evoarch.evaluators.tasks import load_task
from evoarch.evaluators.trace import Node, Trace, Traced, Tracer
from evoarch.sandbox.genome import source_digest

RANDOM = [{"name": "random"}]
MIXED = [*RANDOM, {"name": "syntactic.mutate"}]


class Traceable(StubEvaluator):
    """Scores are fakes, traces are real. `spent`: CPU seconds of the children that traced."""

    def __init__(self, tracer: Tracer) -> None:
        super().__init__()
        self._tracer = tracer
        self.spent = 0.0

    async def traces(self, sources: Sequence[str]) -> Traced:
        found = await self._tracer.traces(sources)
        self.spent += found.cpu_seconds
        return found


def config_of(operators: list[dict[str, Any]], slots: int, **surrogate: Any) -> Config:
    tables = {"budget": {"evaluations": slots}, "evaluation": {"repeats": 1, "workers": 1, "race": 0}}
    campaign = {"name": "screening", "task": "mnist1d", "seed": 1}
    return parse(
        {"campaign": campaign, **tables, "operators": operators, "surrogate": surrogate}, "screening"
    )


async def campaign(config: Config, folder: Path, *, profile: bool = False) -> tuple[float, float]:
    """CPU seconds a slot, of this process and of the children that trace. A fake that fails a child fills
    its slot too, though it costs no evaluation.
    """
    task = load_task("mnist1d")
    folder.mkdir()
    async with open_bench(plan_bench(config, folder), runs=folder) as bench:
        evaluator = Traceable(bench.evaluator)  # type: ignore[arg-type]
        with create(folder, name="screening", seed=1) as store:
            for name, source in task.seeds.items():
                store.add_seed(name, source, source_digest(source))
            operators = build_operators(config, open_templates(folder, config), folder)
            parts = Components(evaluator, task.offers, operators, {}, 1)
            profiler = cProfile.Profile()
            began = time.process_time()
            if profile:
                profiler.enable()
            ending = await Campaign(store, config, parts).run()
            profiler.disable()
            assert ending.complete, ending
            spent = time.process_time() - began
            drawn = store.candidates(sources=False)
            slots = sum(c.state in (State.SCORED, State.FAILED) for c in drawn) - len(task.seeds)
    if profile:
        pstats.Stats(profiler).sort_stats("tottime").print_stats(25)
    return spent / slots, evaluator.spent / slots


def proposal(slots: int, *, profile: bool) -> None:
    import sklearn.ensemble  # noqa: F401 - its import is paid once a run, not for each proposal

    with tempfile.TemporaryDirectory() as top:
        cases = {
            "random": (RANDOM, {}),
            "random, screened": (RANDOM, {"drafts": 32}),
            "random and mutate": (MIXED, {}),
            "random and mutate, screened": (MIXED, {"drafts": 32}),
            "the same, warm": (MIXED, {"drafts": 32, "archives": ["../random/archive.db"]}),
        }
        for name, (operators, surrogate) in cases.items():
            folder = Path(top) / name.replace(", ", "-").replace(" ", "-")
            config = config_of(operators, slots, **surrogate)
            here, children = asyncio.run(campaign(config, folder, profile=profile))
            print(f"{name:30} {here + children:.3f} CPU s a slot: {here:.3f} here, {children:.3f} to build")


def trace_of(params: int, rng: random.Random) -> Trace:
    kinds = rng.choices(["Conv1d", "Linear", "ReLU", "GRU", "BatchNorm1d"], k=rng.randint(4, 14))
    nodes = [
        Node(f"layer{i}", kind, (rng.randint(4, 64), 10), params // len(kinds), 2 * params, (i - 1,))
        for i, kind in enumerate(kinds)
    ]
    return Trace(tuple(nodes), params, 2 * params * rng.randint(1, 40), 400 * len(kinds))


def large(count: int) -> None:
    rng = random.Random(1)
    config = config_of(RANDOM, 1, drafts=32)
    with tempfile.TemporaryDirectory() as top, create(Path(top), name="large", seed=1) as store:
        for first in range(0, count, 1000):
            with store.transaction():
                for number in range(first, min(count, first + 1000)):
                    (drawn,) = store.draw("random", [], 1, {})
                    store.arrive(drawn.candidate, "", f"{number}")
                    store.start(drawn.candidate)
                    params = int(10 ** rng.uniform(2, 5))
                    store.traces.put(drawn.candidate, trace_of(params, rng).as_json())
                    score = hashed_score(str(number))
                    assert isinstance(score, Scored)
                    outcome = Scored({**score.metrics, "params": float(params)})
                    store.settle(Evaluation(drawn.candidate, "full", 0, outcome, 1.0, 1.0))
        drafts = [trace_of(int(10 ** rng.uniform(2, 5)), rng) for _ in range(32)]
        began = time.process_time()
        chooser = Chooser(store, config, Surrogate(store, config), {"error": 0.5, "params": 1e6})
        chooser.choose(0, drafts, unscreened=False)
        print(
            f"{count} labels read for the first time, fit and pick: {time.process_time() - began:.2f} CPU s"
        )
        chooser._surrogate._fitted = None  # The next one that is due.
        began = time.process_time()
        chooser.choose(1, drafts, unscreened=False)
        print(f"refit and pick: {time.process_time() - began:.2f} CPU s")
        began = time.process_time()
        chooser.choose(2, drafts, unscreened=False)
        print(f"pick: {time.process_time() - began:.3f} CPU s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--part", action="append", choices=("proposal", "large"), help="[default: both]")
    parser.add_argument("--slots", type=int, default=30)
    parser.add_argument("--labels", type=int, default=100_000)
    parser.add_argument("--profile", action="store_true", help="Where the time of this process goes")
    chosen = parser.parse_args()
    wanted = chosen.part or ("proposal", "large")
    if "proposal" in wanted:
        proposal(chosen.slots, profile=chosen.profile)
    if "large" in wanted:
        large(chosen.labels)


if __name__ == "__main__":
    main()
