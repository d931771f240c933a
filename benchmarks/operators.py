"""What each operator yields: shares of its proposals that are parsed, vetted, new, valid and scored, and new
valid children per CPU-minute, with the embedded language model and with none.

    python benchmarks/operators.py [--proposals 104] [--operators lm.scoped,random] [--markdown]

Parents are the four MNIST-1D baselines under their measured metrics, drawn anew for each call; LM operators
are asked for `--batch` children a call at a temperature drawn as in a campaign. A child is
    parsed  if a source could be read from the reply,
    vetted  if it has no finding,
    new     if no baseline and no child before it (of the same operator) has its source,
    valid   if it is new, passes the dry run, after at most 6 shape repairs, and computes something new,
    scored  if it is valid and its training (recipe `--recipe`) ends under the task's ceiling,
    better  if it is scored and its error x parameters is below that of each of its parents.
CPU counts what proposing takes: the LM's process and the operator, its parsing too; not vetting, dry runs and
training, which cost every operator the same. lm.repair mends what the other LM operators of this benchmark
left broken, so it comes last and wants at least one of them. Shares have Wilson's 95% interval, rates a
bootstrap's over calls. Results are kept in `--state`, one file per operator: a rerun measures those that are
missing.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import os
import platform
import random
import sys
import time
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import torch

from evoarch.agent.config.lm import LMSettings
from evoarch.agent.lm.base import LM, LMReply, LMRequest
from evoarch.agent.lm.registry import build_lm
from evoarch.agent.operators.base import BrokenParent, Draft, Operator, Order, Parent
from evoarch.agent.operators.lm.drafts import LMOperator
from evoarch.agent.operators.lm.repair import readable
from evoarch.agent.operators.registry import built_in
from evoarch.agent.operators.shape_repair.rules import ShapeRepair, repair
from evoarch.agent.search.goals import gap_targets
from evoarch.agent.search.proposals import TEMPERATURES
from evoarch.agent.search.task_card import task_card
from evoarch.agent.statistics.intervals import wilson
from evoarch.archive.records import Scored
from evoarch.evaluators.failures import failure_of
from evoarch.evaluators.registry import Measuring, measuring, program_for
from evoarch.evaluators.replies import DryRunPassed
from evoarch.evaluators.task import Task
from evoarch.evaluators.tasks import load_task
from evoarch.prompts.contexts import TaskCard
from evoarch.sandbox.genome import source_digest
from evoarch.sandbox.outcome import Raised
from evoarch.sandbox.runner import start
from evoarch.sandbox.vet import vet

LEVELS = ("parsed", "vetted", "new", "valid", "scored", "better")
DOCUMENT = Path(__file__).parents[1] / "docs" / "operators.md"
BEGIN, END = "<!-- benchmarks/operators.py: begin -->", "<!-- benchmarks/operators.py: end -->"
REPAIRS = 6
"""Shape repairs a child may get: the default of a campaign."""


@dataclass
class Child:
    """How far one proposal came (an index into LEVELS, -1: not even parsed), and why no further."""

    call: int
    level: int = -1
    problem: str = ""
    error: float | None = None
    params: float | None = None


@dataclass
class Result:
    """One operator's proposals. `cpu`: CPU seconds of each call. `broken`: what lm.repair may mend."""

    operator: str
    settings: dict[str, object]
    children: list[Child] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    tokens: int = 0
    broken: list[dict[str, object]] = field(default_factory=list)


class Counted:
    """`complete` that adds up what the LM's process took, and apart from it what this one did meanwhile."""

    def __init__(self, lm: LM) -> None:
        self.lm, self.cpu, self.meanwhile, self.tokens = lm, 0.0, 0.0, 0

    async def __call__(self, request: LMRequest) -> LMReply:
        begun = time.process_time()
        reply = await self.lm.complete(request)
        self.meanwhile += time.process_time() - begun
        spent = reply.detail.get("cpu_seconds", 0.0)
        self.cpu += spent if isinstance(spent, float) else 0.0
        self.tokens += reply.completion_tokens
        return reply


@dataclass
class Bench:
    """What all operators share."""

    task: Task
    evaluator: Measuring
    parents: Sequence[Parent]
    functions: frozenset[str]
    seed: int
    card: TaskCard


async def measure(bench: Bench, operator: Operator, lm: LM | None, result: Result, proposals: int) -> None:
    """Propose call by call, and grade meanwhile: an LM leaves the other cores free."""
    slots = asyncio.Semaphore(max(1, len(os.sched_getaffinity(0)) - (lm is not None)))
    sources = {source_digest(parent.source) for parent in bench.parents}
    functions = set(bench.functions)
    grading: list[asyncio.Task[None]] = []
    while len(result.children) < proposals:
        number = len(result.cpu)
        rng = random.Random(f"{bench.seed}/{operator.name}/{number}")
        count = min(operator.samples, proposals - len(result.children))
        order = order_of(bench, operator, rng, count, result, number)
        complete = Counted(lm) if lm else None
        begun = time.process_time()
        drafts = await operator.propose(order, rng, complete)
        own = time.process_time() - begun
        if complete:  # While the LM works, this process grades.
            own += complete.cpu - complete.meanwhile
            result.tokens += complete.tokens
        result.cpu.append(own)
        for draft in drafts:
            child = Child(number)
            result.children.append(child)
            grading.append(
                asyncio.create_task(grade(bench, draft, child, order, result, (sources, functions), slots))
            )
        show(result, proposals)
    await asyncio.gather(*grading)
    show(result, proposals, end="\n")


def order_of(
    bench: Bench, operator: Operator, rng: random.Random, count: int, result: Result, number: int
) -> Order:
    parents = rng.sample(list(bench.parents), operator.arity)
    broken = None
    if operator.name == "lm.repair":
        found = result.broken[number % len(result.broken)]
        broken = BrokenParent(number, str(found["text"]), [str(found["reason"])])
        parents = [parent for parent in bench.parents if parent.id == found["parent"]]
    rows = [parent.metrics for parent in bench.parents]
    asked = [parent.metrics for parent in parents]
    return Order(
        count,
        parents,
        gap_targets(rows, asked, ("params", "error"), rng) if parents else {},
        rng.choice(TEMPERATURES),
        offers=bench.task.offers,
        broken=broken,
        card=bench.card,
        check=lambda source: "; ".join(map(str, vet(source, entry="Model", offers=bench.task.offers))),
    )


async def grade(
    bench: Bench,
    draft: Draft,
    child: Child,
    order: Order,
    result: Result,
    seen: tuple[set[str], set[str]],
    slots: asyncio.Semaphore,
) -> None:
    """Takes the child as far as it comes. What is known is looked up in the order of proposing."""
    sources, functions = seen
    child.problem = draft.problem
    if draft.problem:
        return keep(draft.text, draft.problem, order, result)
    child.level = LEVELS.index("parsed")
    if findings := vet(draft.source, entry="Model", offers=bench.task.offers):
        child.problem = "; ".join(str(finding) for finding in findings)
        return keep(draft.source, child.problem, order, result)
    child.level = LEVELS.index("vetted")
    digest = source_digest(draft.source)
    if digest in sources:
        child.problem = "same source"
        return None
    sources.add(digest)
    child.level = LEVELS.index("new")
    async with slots:
        source, sound = await dry_run(bench, draft.source)
        if isinstance(sound, str):
            child.problem = sound
            return keep(source, sound, order, result)
        known = source != draft.source and source_digest(source) in sources
        if known or sound.function_digest in functions:
            child.problem = "same after the dry run"
            return None
        sources.add(source_digest(source))
        if sound.function_digest:
            functions.add(sound.function_digest)
        child.level = LEVELS.index("valid")
        evaluated = await bench.evaluator.evaluate(source, digest=source_digest(source), repeat=0)
    outcome = evaluated.outcome
    if isinstance(outcome, Scored):
        child.level = LEVELS.index("scored")
        child.error, child.params = outcome.metrics["error"], outcome.metrics["params"]
        if order.parents and child.error * child.params < min(
            parent.metrics["error"] * parent.metrics["params"] for parent in order.parents
        ):
            child.level = LEVELS.index("better")
    else:
        child.problem = f"{outcome.stage}: {outcome.reason}"
    return None


async def dry_run(bench: Bench, source: str) -> tuple[str, DryRunPassed | str]:
    """The source after its repairs, and what the dry run found or why it failed."""
    for repairs in range(REPAIRS + 1):
        found = await bench.evaluator.dry_run(source)
        if isinstance(found, DryRunPassed):
            return source, found
        failed = failure_of(found)
        fixed = await repaired(bench, source, found) if isinstance(found, Raised) else None
        if fixed is None or repairs == REPAIRS or vet(fixed.source, entry="Model", offers=bench.task.offers):
            break
        source = fixed.source
    return source, f"{failed.stage}: {failed.reason}"


async def repaired(bench: Bench, source: str, failure: Raised) -> ShapeRepair | None:
    """One repair; of two that fit, the smaller model that then works, as in a campaign."""
    first = repair(source, failure, offers=bench.task.offers)
    if first is None or first.other is None:
        return first
    sizes: list[float] = []
    for way in (first, first.other):
        found = await bench.evaluator.dry_run(way.source)
        sizes.append(found.params if isinstance(found, DryRunPassed) else math.inf)
    return first if sizes[0] <= sizes[1] else first.other


def keep(text: str, reason: str, order: Order, result: Result) -> None:
    """For lm.repair: a file that failed, with a parent that it came from."""
    if result.operator != "lm.repair" and order.parents and readable(text):
        result.broken.append({"text": text, "reason": reason, "parent": order.parents[0].id})


def show(result: Result, proposals: int, end: str = "\r") -> None:
    counts = {name: sum(c.level >= at for c in result.children) for at, name in enumerate(LEVELS)}
    said = ", ".join(f"{count} {name}" for name, count in counts.items())
    print(
        f"{result.operator}: {len(result.children)}/{proposals} ({said}), {sum(result.cpu):.0f} CPU s",
        end=end, file=sys.stderr, flush=True,
    )  # fmt: skip


def rate(result: Result, rng: random.Random, draws: int = 2000) -> tuple[float, float, float]:
    """New valid children per CPU-minute, and the 95% bootstrap interval over calls (percentiles)."""
    valid = [0] * len(result.cpu)
    for child in result.children:
        valid[child.call] += child.level >= LEVELS.index("valid")
    calls = range(len(valid))
    ratios: list[float] = []
    for _ in range(draws):
        some = rng.choices(calls, k=len(valid))
        ratios.append(60 * sum(valid[c] for c in some) / max(1e-9, sum(result.cpu[c] for c in some)))
    ratios.sort()
    return (
        60 * sum(valid) / max(1e-9, sum(result.cpu)),
        ratios[int(0.025 * draws)],
        ratios[int(0.975 * draws) - 1],
    )


def table(results: Mapping[str, Result]) -> str:
    """The results as a Markdown table."""
    lines = [
        "| operator | proposals | " + " | ".join(LEVELS) + " | new valid per CPU-minute |",
        "|---" * (len(LEVELS) + 3) + "|",
    ]
    for name, result in results.items():
        count = len(result.children)
        cells = [f"`{name}`", str(count)]
        for at in range(len(LEVELS)):
            hits = sum(child.level >= at for child in result.children)
            share = wilson(hits / count, count)
            cells.append(f"{100 * hits / count:.0f}% ({100 * share.low:.0f}-{100 * share.high:.0f})")
        middle, low, high = rate(result, random.Random(0))
        cells.append(f"{_three(middle)} ({_three(low)}-{_three(high)})")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _three(value: float) -> str:
    """Three digits that say something; in thousands no more, but no exponent."""
    return f"{value:.3g}" if value < 1000 else f"{round(value, 2 - math.floor(math.log10(value))):,.0f}"


def write_markdown(path: Path, text: str, arguments: argparse.Namespace) -> None:
    """Puts the table between the markers of `path`."""
    before, begin, rest = path.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"{path}: expected the markers {BEGIN} and {END}")
    cores = len(os.sched_getaffinity(0))
    made = (
        f"Made by `python benchmarks/operators.py --proposals {arguments.proposals} --batch {arguments.batch}"
        f" --rewrite-tokens {arguments.rewrite_tokens} --threads {arguments.threads} --seed {arguments.seed}"
        f" --markdown` on {cores} core{'s' if cores > 1 else ''} ({platform.machine()}), torch"
        f" {torch.__version__}. Intervals: 95%."
    )
    path.write_text(f"{before}{BEGIN}\n{text}\n\n{made}\n{END}{after}", encoding="utf-8")


ASKING = tuple(name for name in built_in() if name.startswith("lm."))  # they ask a language model


async def run(arguments: argparse.Namespace) -> dict[str, Result]:
    names = arguments.operators.split(",") if arguments.operators else list(built_in())
    if unknown := [name for name in names if name not in built_in()]:
        raise SystemExit(f"--operators: unknown {', '.join(unknown)}; known: {', '.join(built_in())}")
    names.sort(key=lambda name: name == "lm.repair")
    kept = ("proposals", "batch", "rewrite_tokens", "threads", "seed", "recipe", "lm")
    settings, found = {key: getattr(arguments, key) for key in kept}, dict[str, Result]()
    for name in built_in():  # lm.repair mends what earlier runs left broken
        path = arguments.state / f"{name}.json"
        if path.exists() and (known := _read(path)).settings == settings:
            found[name] = known
    if missing := [name for name in names if name not in found]:
        await measure_all(arguments, missing, found, settings)
    return {name: found[name] for name in names if name in found}


async def measure_all(
    arguments: argparse.Namespace, names: Sequence[str], found: dict[str, Result], settings: dict[str, object]
) -> None:
    """Measures `names` in their order, and writes each result down as soon as it is whole."""
    task = load_task("mnist1d")
    runner = await start(program_for(task))
    lm = build_lm(settings_of(arguments))
    try:
        evaluator = measuring(task, task.recipes[arguments.recipe], runner)
        bench = await prepared(task, evaluator, arguments)
        for name in names:
            result = Result(name, settings)
            if name == "lm.repair":
                others = [found[other] for other in ASKING if other in found]
                result.broken = [one for other in others for one in other.broken]
                if not result.broken:
                    print("lm.repair: nothing to mend; measure another LM operator first", file=sys.stderr)
                    continue
            asked = lm if name in ASKING else None
            await measure(bench, chosen(name, arguments), asked, result, arguments.proposals)
            found[name] = result
            arguments.state.mkdir(parents=True, exist_ok=True)
            scratch = arguments.state / "unfinished"
            scratch.write_text(json.dumps(asdict(result)), encoding="utf-8")
            scratch.replace(arguments.state / f"{name}.json")
    finally:
        await lm.close()
        await runner.close()


def settings_of(arguments: argparse.Namespace) -> LMSettings:
    """The `[[lm]]` table of the command line; `threads` are those of a local model."""
    return LMSettings(**{"threads": arguments.threads, **tomllib.loads(arguments.lm.replace(";", "\n"))})


async def prepared(task: Task, evaluator: Measuring, arguments: argparse.Namespace) -> Bench:
    """The baselines, trained once, as parents."""
    parents: list[Parent] = []
    functions: set[str] = set()
    for number, (name, source) in enumerate(sorted(task.seeds.items()), 1):
        sound = await evaluator.dry_run(source)
        evaluated = await evaluator.evaluate(source, digest=source_digest(source), repeat=0)
        if not isinstance(sound, DryRunPassed) or not isinstance(evaluated.outcome, Scored):
            raise SystemExit(f"baseline {name} was not scored: {evaluated.outcome}")
        functions.add(sound.function_digest)
        parents.append(Parent(number, source, dict(evaluated.outcome.metrics)))
    card = task_card(task, task.recipes[arguments.recipe], ("error", "params"))
    return Bench(task, evaluator, parents, frozenset(functions - {""}), arguments.seed, card)


def chosen(name: str, arguments: argparse.Namespace) -> Operator:
    """The operator as a campaign has it, but for the sizes that the arguments give."""
    operator: Operator = built_in()[name]()
    if not isinstance(operator, LMOperator):
        return operator
    operator = replace(operator, chat=settings_of(arguments).chat)
    if name == "lm.rewrite":
        return replace(operator, samples=arguments.batch, max_tokens=arguments.rewrite_tokens)
    return replace(operator, samples=min(arguments.batch, 4) if name == "lm.repair" else arguments.batch)


def _read(path: Path) -> Result:
    data = json.loads(path.read_text(encoding="utf-8"))
    return Result(**{**data, "children": [Child(**child) for child in data["children"]]})


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--proposals", type=int, default=104, help="per operator (104)")
    parser.add_argument("--batch", type=int, default=8, help="children per LM call (8; lm.repair at most 4)")
    parser.add_argument("--rewrite-tokens", type=int, default=256, help="of one lm.rewrite child (256)")
    parser.add_argument("--threads", type=int, default=1, help="threads of the LM (1)")
    parser.add_argument(
        "--lm", default='backend = "embedded"', help="keys of an [[lm]] table, with ; between them"
    )
    parser.add_argument("--recipe", default="fast", help="training recipe (fast)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--operators", default="", help="comma-separated; default: all")
    parser.add_argument("--state", type=Path, default=Path("operators-benchmark"), help="results are here")
    parser.add_argument("--markdown", nargs="?", type=Path, const=DOCUMENT, help="write the table here")
    arguments = parser.parse_args()
    begun = time.monotonic()
    results = asyncio.run(run(arguments))
    text = table(results)
    print(text)
    print(f"{(time.monotonic() - begun) / 60:.1f} minutes", file=sys.stderr)
    if arguments.markdown:
        write_markdown(arguments.markdown, text, arguments)


if __name__ == "__main__":
    main()
