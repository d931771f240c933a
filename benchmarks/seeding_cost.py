"""What a child over frozen modules costs, beside the same model in one file, and how long its prompts are.

    python -m benchmarks.seeding_cost [--rounds 6] [--steps 40]

The model is `starnet_s1` of an installed timm on digits, its Block open. The one file is made of timm's own
classes; the parts of timm.layers that they use are replaced by torch's. Each round measures a dry run and an
evaluation of both, in turn, in children of one zygote: CPU seconds. Who is first changes with each round.
"""

from __future__ import annotations

import argparse
import ast
import asyncio
import contextlib
import importlib
import importlib.util
import random
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from transformers import AutoTokenizer, PreTrainedTokenizerBase

from evoarch.agent.config.load import load
from evoarch.agent.evaluation.bench import BenchPlan, choose_recipe, open_bench, plan_bench
from evoarch.agent.lm.base import LMRequest
from evoarch.agent.lm.fakes import ScriptedLM
from evoarch.agent.lm.local.embedded import model_file
from evoarch.agent.operators.base import Order, Parent
from evoarch.agent.operators.lm.drafts import LMOperator
from evoarch.agent.operators.registry import built_in
from evoarch.agent.search.new_campaign import write_campaign
from evoarch.agent.search.task_card import task_card
from evoarch.agent.seeding.adapter import Fit, Layout
from evoarch.agent.seeding.add import Seed, Wanted, prepare
from evoarch.agent.seeding.splice import opening_of
from evoarch.evaluators.replies import DryRunPassed
from evoarch.evaluators.task import Task
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


def seed_of(task: Task, wanted: Wanted, names: Sequence[str]) -> Seed:
    """A seed whose adapter hands over the arguments `names`, and the task's examples as they are."""
    shape = tuple(task.offers["input_shape"])  # type: ignore[arg-type]
    return prepare(wanted).seed(task.offers, Fit(Layout("as it is", shape), tuple(names)))


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


def prompts(task: Task, seed: Seed) -> dict[str, LMRequest]:
    """What each kind of model is asked about a child of `seed`, by operator."""
    opening, found = opening_of(seed.frozen), {}
    card = task_card(task, choose_recipe(task, "fast"), ("params", "error"))
    for name in ("lm.rewrite", "lm.scoped"):
        for chat in (False, True):
            lm = ScriptedLM(["x = 1"], chat=chat)
            operator = built_in()[name](chat=chat)
            assert isinstance(operator, LMOperator)
            parents = [
                Parent(n, opening.view(seed.genome), {"params": 1e6, "error": 0.1})
                for n in range(getattr(operator, "arity", 1))
            ]
            order = Order(1, parents, entry=opening.target(0), offers=task.offers, card=card)
            asyncio.run(operator.propose(order, random.Random(0), lm.complete))  # type: ignore[attr-defined]
            found[f"{name}{' (chat)' if chat else ''}"] = lm.requests[0]
    return found


def embedded_tokenizer() -> PreTrainedTokenizerBase:
    """The embedded language model's. Raises LMError where it is not installed."""
    with contextlib.suppress(ImportError):
        importlib.import_module("torchvision_operators")  # transformers imports torchvision, where that is
    file = model_file()
    found: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(str(file.parent), gguf_file=file.name)
    return found


def tokens(request: LMRequest, tokenizer: PreTrainedTokenizerBase) -> int:
    """The length of what is asked."""
    text = "\n".join([*(message["content"] for message in request.messages), request.prompt])
    return len(tokenizer(text)["input_ids"])


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--steps", type=int, default=40)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as top:
        folder = Path(top) / "campaign"
        write_campaign(folder, load_task("digits"), name="cost", seed=0, evaluations=1, lm="none")
        config = load(folder)
        preload = tuple(n for n in ("torchvision_operators",) if importlib.util.find_spec(n))
        config = config.model_copy(update={"sandbox": config.sandbox.model_copy(update={"preload": preload})})
        plan = plan_bench(config, folder)
        seed = seed_of(plan.task, Wanted(installed(), "starnet_s1", ("Block",)), ("num_classes", "in_chans"))
        tokenizer = embedded_tokenizer()
        for name, request in prompts(plan.task, seed).items():
            print(f"prompt of {name}: {tokens(request, tokenizer)} tokens")
        plan = replace(plan, recipe=replace(plan.recipe, steps=options.steps), seeds=[seed.frozen])
        found = asyncio.run(measure(plan, seed, in_one_file(installed()), options.rounds))
    for at, what in enumerate(("dry run", "evaluation")):
        frozen, single = ([one[at] for one in found[name]] for name in ("frozen", "one file"))
        ratios = [a / b for a, b in zip(frozen, single, strict=True)]
        first, second = (statistics.median(ratios[start::2]) for start in (1, 0))
        print(
            f"{what}: {statistics.median(frozen):.2f} s over frozen modules, {statistics.median(single):.2f} "
            f"s in one file; median ratio {statistics.median(ratios):.2f} of {options.rounds} rounds, "
            f"{first:.2f} where the frozen one is first, {second:.2f} where it is second"
        )


if __name__ == "__main__":
    main()
