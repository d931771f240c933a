"""What a soft prompt does to the embedded model: held-out loss and shares of samples, before and after.

    python benchmarks/tuning.py [--sources 48] [--seeds 3] [--samples 200] [--state FOLDER]

Sources are syntactic children of the MNIST-1D baselines, as many of each, vetted, sound and distinct, under
their parameter counts (they are not trained, so no error is asked for). Whole lineages are held out: one
baseline's children for each seed. The model completes the prompts of those, so that what it learnt to recite
would show. Of `--samples` samples, without shape repair, a sample is
    parsed  if a source could be read,
    valid   if it has no finding and passes the dry run,
    copied  if its source is a baseline or one of the sources,
    novel   if it is valid, not copied, and no sample before it (of the same kind) has its source.
Shares have Wilson's 95% interval. Each step of each seed is kept in `--state`: a rerun with the same settings
goes on after it, and a training that was cut off after its last epoch.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from evoarch.agent.base.rng import stream
from evoarch.agent.config.lm import LMSettings
from evoarch.agent.config.rounds import TuningTable
from evoarch.agent.evaluation.walls import choose_level, open_walls
from evoarch.agent.lm.base import LMRequest
from evoarch.agent.lm.local.embedded import EmbeddedLM
from evoarch.agent.lm.local.soft_prompts import FOLDER
from evoarch.agent.operators.base import Order, Parent
from evoarch.agent.operators.lm.drafts import STOPS
from evoarch.agent.operators.syntactic.mutate import SyntacticMutate
from evoarch.agent.statistics.intervals import wilson
from evoarch.agent.tuning.data import TuningData, TuningExample, example, split
from evoarch.agent.tuning.tuner import LocalTuner
from evoarch.evaluators.evaluation import DryRunPassed
from evoarch.evaluators.registry import Measuring, measuring
from evoarch.evaluators.task import Task
from evoarch.evaluators.tasks import load_task
from evoarch.prompts.outline import outline
from evoarch.prompts.replies import completed
from evoarch.sandbox.genome import source_digest
from evoarch.sandbox.level import detect
from evoarch.sandbox.limits import Limits
from evoarch.sandbox.vet import vet

SHARES = ("parsed", "valid", "novel", "copied")
STEPS = 40
"""Mutations from a baseline that may be tried for one source."""


async def sources(task: Task, evaluator: Measuring, count: int) -> list[tuple[str, TuningExample]]:
    """`count` sources with their examples, the baselines in turn; each is one to three mutations away."""
    found: dict[str, tuple[str, TuningExample]] = {}
    mutate, names = SyntacticMutate(), sorted(task.seeds)
    for number in range(count * STEPS):
        if len(found) == count:
            break
        lineage = len(found) % len(names)
        rng = stream(0, "source", number)
        source = task.seeds[names[lineage]]
        for _ in range(rng.randint(1, 3)):
            order = Order(1, [Parent(lineage, source, {"params": 1.0, "error": 0.5})], offers=task.offers)
            source = (await mutate.propose(order, rng, None))[0].source or source
        digest = "" if vet(source, entry="Model", offers=task.offers) else source_digest(source)
        if not digest or digest in found or source == task.seeds[names[lineage]]:
            continue
        result = await evaluator.dry_run(source)
        if not isinstance(result, DryRunPassed):
            continue
        metrics = {"params": float(result.params)}
        each = example(source, metrics, task.offers, candidate=number, lineage=lineage)
        if each is not None:
            found[digest] = (source, each)
    return list(found.values())


async def sampled(
    lm: EmbeddedLM,
    prompts: Sequence[str],
    arguments: argparse.Namespace,
    soft_prompt: str,
    task: Task,
    evaluator: Measuring,
    known: set[str],
) -> dict[str, Any]:
    """Counts of `SHARES`, over prompts in turn, a batch each."""
    counts = dict.fromkeys(SHARES, 0)
    seen: set[str] = set()
    made, began = 0, time.monotonic()
    while made < arguments.samples:
        prompt = prompts[(made // arguments.batch) % len(prompts)]
        request = LMRequest(
            prompt=prompt,
            n=min(arguments.batch, arguments.samples - made),
            temperature=0.8,
            seed=made,
            max_tokens=arguments.tokens,
            stop=STOPS,
            soft_prompt=soft_prompt,
        )
        reply = await lm.complete(request)
        made += request.n - len(reply.texts)  # a prompt that leaves no room brings none
        # Imports stand before the metrics, the head after them.
        around = outline(prompt.partition("# metrics")[0], "Model")
        head = prompt[prompt.index("class Model") :]
        for text, reason in zip(reply.texts, reply.finish_reasons, strict=True):
            made += 1
            parsed = completed(head, text, around, "Model", cut=reason == "length")
            if not parsed.source:
                continue
            counts["parsed"] += 1
            if vet(parsed.source, entry="Model", offers=task.offers):
                continue
            digest = source_digest(parsed.source)
            counts["copied"] += digest in known
            if not isinstance(await evaluator.dry_run(parsed.source), DryRunPassed):
                continue
            counts["valid"] += 1
            counts["novel"] += digest not in known and digest not in seen
            seen.add(digest)
        print(f"  {made} of {arguments.samples} samples, {time.monotonic() - began:.0f} s", flush=True)
    return {"samples": made, **counts, "seconds": time.monotonic() - began}


SETTINGS = ("sources", "samples", "epochs", "sequence", "tokens", "batch", "dtype")
"""Arguments that a step's figures depend on."""


def kept(path: Path, settings: Mapping[str, Any]) -> Any:
    known = json.loads(path.read_text()) if path.is_file() else {}
    return known["figures"] if known.get("settings") == settings else None


def keep(path: Path, settings: Mapping[str, Any], figures: Mapping[str, Any]) -> Mapping[str, Any]:
    scratch = path.with_suffix(".new")
    scratch.write_text(json.dumps({"settings": settings, "figures": figures}))
    scratch.replace(path)
    return figures


async def run(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    task = load_task("mnist1d")
    state: Path = arguments.state
    state.mkdir(parents=True, exist_ok=True)
    runner = await open_walls(choose_level(detect(), "landlock", unsafe=False), task)
    evaluator = measuring(task, task.recipes["fast"], runner, limits=Limits(), campaign_seed=0)
    settings = LMSettings(name="small", threads=arguments.threads)
    table = TuningTable(
        epochs=arguments.epochs,
        sequence=arguments.sequence,
        dtype=arguments.dtype,
        threads=arguments.threads,
    )
    results = []
    try:
        found = await sources(task, evaluator, arguments.sources)
        print(f"{len(found)} sources", flush=True)
        known = {source_digest(source) for source in [*task.seeds.values(), *(source for source, _ in found)]}
        for seed in range(arguments.seeds):
            data = split([each for _, each in found], 1 / len(task.seeds), random.Random(f"lineage {seed}"))
            if not data.held_out:
                raise SystemExit(f"--sources {arguments.sources}: too few to hold a baseline's children out")
            results.append(await one(seed, data, arguments, settings, table, task, evaluator, known))
    finally:
        await runner.close()
    return results


async def one(
    seed: int,
    data: TuningData,
    arguments: argparse.Namespace,
    settings: LMSettings,
    table: TuningTable,
    task: Task,
    evaluator: Measuring,
    known: set[str],
) -> dict[str, Any]:
    """One seed: samples, training, samples; each step is kept."""
    state: Path = arguments.state
    prompts = [each.prompt for each in data.held_out]
    asked = {name: getattr(arguments, name) for name in SETTINGS}
    paths = {step: state / f"seed-{seed}-{step}.json" for step in ("before", "tuned", "after")}
    done: dict[str, Any] = {step: kept(path, asked) for step, path in paths.items()}
    for step, path in paths.items():
        if done[step] is not None:
            continue
        print(f"seed {seed}: {step}", flush=True)
        if step == "tuned":
            tuner = LocalTuner(settings, table, state, seed)
            tuned = await tuner.tune(data, after="", number=seed)
            done[step] = keep(path, asked, {**tuned.as_json(), **data.as_json()})
            continue
        lm = EmbeddedLM(settings, state / FOLDER)
        digest = done["tuned"]["digest"] if step == "after" else ""
        try:
            counts = await sampled(lm, prompts, arguments, digest, task, evaluator, known)
            done[step] = keep(path, asked, counts)
        finally:
            await lm.close()
    return done


def show(results: Sequence[Mapping[str, Any]]) -> None:
    print(f"{'seed':<6}{'':<8}{'loss':>7}  " + "".join(f"{share:<24}" for share in SHARES))
    for seed, done in enumerate(results):
        for step in ("before", "after"):
            loss = done["tuned"][step]
            cells = [cell(done[step][share], done[step]["samples"]) for share in SHARES]
            print(f"{seed:<6}{step:<8}{loss:>7.3f}  " + "".join(f"{text:<24}" for text in cells))
    training = sum(done["tuned"]["seconds"] for done in results)
    sampling = sum(done[step]["seconds"] for done in results for step in ("before", "after"))
    print(f"{training / 60:.1f} minutes of training, {sampling / 60:.1f} of sampling")


def cell(count: int, of: int) -> str:
    interval = wilson(count / of, of)
    return f"{count / of:.1%} [{interval.low:.1%}, {interval.high:.1%}]"


def main() -> None:
    parser = argparse.ArgumentParser(description="What a soft prompt does to the embedded model.")
    parser.add_argument("--sources", type=int, default=48)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--samples", type=int, default=200, help="before and after, of each seed")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--sequence", type=int, default=384, help="tokens of an example at most")
    parser.add_argument("--tokens", type=int, default=256, help="of a sample at most")
    parser.add_argument("--batch", type=int, default=25, help="samples a call")
    parser.add_argument("--threads", type=int, default=2, help="of the model, sampling and training")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--state", type=Path, default=Path("tuning-benchmark"))
    show(asyncio.run(run(parser.parse_args())))


if __name__ == "__main__":
    main()
