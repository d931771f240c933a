"""What a child over frozen modules costs, beside the same model in one file, and how long its prompts are.

    python -m benchmarks.seeding_cost [--rounds 5] [--steps 40]

The model is `starnet_s1` of an installed timm on digits, its Block open. The one file is made of timm's own
classes; the parts of timm.layers that they use are replaced by torch's. Each round measures a dry run and an
evaluation of both, in turn, in children of one zygote: CPU seconds.
"""

from __future__ import annotations

import argparse
import ast
import asyncio
import importlib.util
import random
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from evoarch.agent.config.load import load
from evoarch.agent.evaluation.bench import BenchPlan, open_bench, plan_bench
from evoarch.agent.lm.base import LMRequest
from evoarch.agent.lm.fakes import ScriptedLM
from evoarch.agent.operators.base import Order, Parent
from evoarch.agent.operators.lm.drafts import LMOperator
from evoarch.agent.operators.registry import built_in
from evoarch.agent.search.new_campaign import write_campaign
from evoarch.agent.search.task_card import task_card
from evoarch.agent.seeding.adapter import Fit, Layout
from evoarch.agent.seeding.add import Seed, Wanted, prepare
from evoarch.agent.seeding.splice import opening_of
from evoarch.evaluators.replies import DryRunPassed
from evoarch.evaluators.tasks import load_task
from evoarch.sandbox.genome import source_digest

PRELUDE = """from typing import Any, Dict, List, Optional, Set, Tuple, Type, Union

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn import Dropout as DropPath
from torch.nn import Linear
from torch.nn.init import trunc_normal_


class SelectAdaptivePool2d(nn.AdaptiveAvgPool2d):
    def __init__(self, pool_type):
        super().__init__(1)

    def feat_mult(self):
        return 1


def calculate_drop_path_rates(rate, depth):
    return [rate] * depth


"""
KEPT = ("ConvBN", "Block", "StarNet")
METHODS = ("__init__", "_init_weights", "forward_features", "forward_head", "forward")
ENTRY = (
    "\n\ndef Model(num_classes):\n    return StarNet(24, [2, 2, 8, 3], num_classes=num_classes, in_chans=1)\n"
)
"""As starnet_s1 has it."""


def in_one_file(path: Path) -> str:
    """The model without timm."""
    kept = []
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef) and node.name in KEPT:
            node.body = [n for n in node.body if isinstance(n, ast.FunctionDef) and n.name in METHODS]
            kept.append(ast.unparse(node))
    return PRELUDE + "\n\n\n".join(kept) + ENTRY


def installed() -> Path:
    """timm's file. Raises SystemExit where there is none."""
    spec = importlib.util.find_spec("timm")
    if spec is None or spec.origin is None:
        raise SystemExit("timm is not installed beside evoarch")
    return Path(spec.origin).parent / "models" / "starnet.py"


async def measure(
    plan: BenchPlan, seed: Seed, single: str, rounds: int
) -> dict[str, list[tuple[float, float]]]:
    """By model, CPU seconds of its dry run and of its evaluation, round by round."""
    found: dict[str, list[tuple[float, float]]] = {"frozen": [], "one file": []}
    async with open_bench(plan, runs=None) as bench:
        for number in range(rounds):
            both = (("frozen", seed.genome), ("one file", single))
            for name, source in both[:: 1 if number % 2 else -1]:  # who comes second finds things warm
                dry = await bench.evaluator.dry_run(source)
                assert isinstance(dry, DryRunPassed), dry
                done = await bench.evaluator.evaluate(source, digest=source_digest(source), repeat=number)
                found[name].append((dry.usage.cpu_seconds, done.cpu_seconds))
    return found


def prompts(plan: BenchPlan, seed: Seed) -> dict[str, int]:
    """Characters of what each kind of model is asked, by operator."""
    opening, found = opening_of(seed.frozen), {}
    card = task_card(plan.task, plan.recipe, ("params", "error"))
    for name in ("lm.rewrite", "lm.scoped"):
        for chat in (False, True):
            lm = ScriptedLM(["x = 1"], chat=chat)
            operator = built_in()[name](chat=chat)
            assert isinstance(operator, LMOperator)
            parents = [
                Parent(n, opening.view(seed.genome), {"params": 1e6, "error": 0.1})
                for n in range(getattr(operator, "arity", 1))
            ]
            order = Order(1, parents, entry=opening.target(0), offers=plan.task.offers, card=card)
            asyncio.run(operator.propose(order, random.Random(0), lm.complete))  # type: ignore[attr-defined]
            found[f"{name}{' (chat)' if chat else ''}"] = length(lm.requests[0])
    return found


def length(request: LMRequest) -> int:
    """Characters of a request."""
    return sum(len(message["content"]) for message in request.messages) + len(request.prompt)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=40)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as top:
        folder = Path(top) / "campaign"
        write_campaign(folder, load_task("digits"), name="cost", seed=0, evaluations=1, lm="none")
        config = load(folder)
        preload = tuple(n for n in ("torchvision_operators",) if importlib.util.find_spec(n))
        config = config.model_copy(update={"sandbox": config.sandbox.model_copy(update={"preload": preload})})
        plan = plan_bench(config, folder)
        prepared = prepare(Wanted(installed(), "starnet_s1", ("Block",)))
        fit = Fit(Layout("as it is", tuple(plan.task.offers["input_shape"])), ("num_classes", "in_chans"))  # type: ignore[arg-type]
        seed = prepared.seed(plan.task.offers, fit)
        for name, characters in prompts(plan, seed).items():
            print(f"prompt of {name}: {characters} characters")
        plan = replace(plan, recipe=replace(plan.recipe, steps=options.steps), seeds=[seed.frozen])
        found = asyncio.run(measure(plan, seed, in_one_file(installed()), options.rounds))
    for at, what in enumerate(("dry run", "evaluation")):
        frozen, single = ([one[at] for one in found[name]] for name in ("frozen", "one file"))
        ratio = statistics.median(a / b for a, b in zip(frozen, single, strict=True))
        print(
            f"{what}: {statistics.median(frozen):.2f} s over frozen modules, {statistics.median(single):.2f} "
            f"s in one file; median ratio {ratio:.2f} of {options.rounds} rounds"
        )


if __name__ == "__main__":
    main()
