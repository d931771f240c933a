"""The measuring of benchmarks/operators.py: proposals of an operator, and how far each of them comes.

What was proposed is written down call by call and what was graded child by child, so that a run that was cut
off goes on where it was.
"""

from __future__ import annotations

import json
import math
import random
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from evoarch.agent.lm.base import LM, LMReply, LMRequest
from evoarch.agent.operators.base import BrokenParent, Draft, Operator, Order, Parent
from evoarch.agent.operators.lm.repair import readable
from evoarch.agent.operators.shape_repair.rules import ShapeRepair, repair
from evoarch.agent.search.goals import gap_targets
from evoarch.agent.search.proposals import TEMPERATURES
from evoarch.archive.records import Scored
from evoarch.evaluators.failures import failure_of
from evoarch.evaluators.registry import Measuring
from evoarch.evaluators.replies import DryRunPassed
from evoarch.evaluators.task import Task
from evoarch.prompts.contexts import TaskCard
from evoarch.sandbox.genome import source_digest
from evoarch.sandbox.outcome import Raised
from evoarch.sandbox.vet import vet

LEVELS = ("parsed", "vetted", "new", "valid", "scored", "better")
REPAIRS = 6
"""Shape repairs a child may get: the default of a campaign."""


@dataclass
class Child:
    """How far one proposal came (an index into LEVELS, -1: not even parsed), and why no further.

    `seen`: digests of its sources and its function, which later children must not have.
    """

    call: int
    level: int = -1
    problem: str = ""
    error: float | None = None
    params: float | None = None
    seen: list[str] = field(default_factory=list)


@dataclass
class Result:
    """One operator's proposals. `cpu`: CPU seconds of each call. `drafts`: what was proposed, of which
    `children` are graded. `broken`: what lm.repair may mend.
    """

    operator: str
    settings: dict[str, object]
    children: list[Child] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    tokens: int = 0
    broken: list[dict[str, object]] = field(default_factory=list)
    drafts: list[dict[str, object]] = field(default_factory=list)

    def save(self, path: Path) -> None:
        """Whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch = path.with_suffix(".writing")
        scratch.write_text(json.dumps(asdict(self)), encoding="utf-8")
        scratch.replace(path)

    @classmethod
    def read(cls, path: Path) -> Result:
        """What `save` wrote."""
        data = json.loads(path.read_text(encoding="utf-8"))
        return cls(**{**data, "children": [Child(**child) for child in data["children"]]})


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
    parents: Sequence[Parent]
    functions: frozenset[str]
    seed: int
    card: TaskCard


async def propose(
    bench: Bench, operator: Operator, lm: LM | None, result: Result, proposals: int, path: Path
) -> None:
    """Asks call by call for what is missing of `proposals`."""
    while len(result.drafts) < proposals:
        number = len(result.cpu)
        rng = random.Random(f"{bench.seed}/{operator.name}/{number}")
        count = min(operator.samples, proposals - len(result.drafts))
        order = order_of(bench, operator, rng, count, result, number)
        complete = Counted(lm) if lm else None
        begun = time.process_time()
        drafts = await operator.propose(order, rng, complete)
        own = time.process_time() - begun
        if complete:
            own += complete.cpu - complete.meanwhile
            result.tokens += complete.tokens
        result.cpu.append(own)
        parents = [parent.id for parent in order.parents]
        result.drafts += [{**asdict(draft), "call": number, "parents": parents} for draft in drafts]
        result.save(path)
        show(result, proposals)


async def measure(bench: Bench, evaluator: Measuring, result: Result, path: Path) -> None:
    """Grades what is proposed and not graded yet, in its order."""
    seen = {source_digest(parent.source) for parent in bench.parents} | set(bench.functions)
    seen |= {digest for child in result.children for digest in child.seen}
    for row in result.drafts[len(result.children) :]:
        draft = Draft(*(str(row[name]) for name in ("source", "change", "problem", "text")))
        child = Child(int(str(row["call"])))
        parents = [parent for parent in bench.parents if parent.id in row["parents"]]  # type: ignore[operator]
        await grade(bench, evaluator, draft, child, parents, result, seen)
        result.children.append(child)
        result.save(path)
        show(result, len(result.drafts))
    show(result, len(result.drafts), end="\n")


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
    evaluator: Measuring,
    draft: Draft,
    child: Child,
    parents: Sequence[Parent],
    result: Result,
    seen: set[str],
) -> None:
    """Takes the child as far as it comes."""

    def known(digest: str) -> bool:
        there = digest in seen
        if digest and not there:
            seen.add(digest)
            child.seen.append(digest)
        return there

    child.problem = draft.problem
    if draft.problem:
        return keep(draft.text, draft.problem, parents, result)
    child.level = LEVELS.index("parsed")
    if findings := vet(draft.source, entry="Model", offers=bench.task.offers):
        child.problem = "; ".join(str(finding) for finding in findings)
        return keep(draft.source, child.problem, parents, result)
    child.level = LEVELS.index("vetted")
    if known(source_digest(draft.source)):
        child.problem = "same source"
        return None
    child.level = LEVELS.index("new")
    source, sound = await dry_run(bench, evaluator, draft.source)
    if isinstance(sound, str):
        child.problem = sound
        return keep(source, sound, parents, result)
    if (source != draft.source and known(source_digest(source))) or known(sound.function_digest):
        child.problem = "same after the dry run"
        return None
    child.level = LEVELS.index("valid")
    evaluated = await evaluator.evaluate(source, digest=source_digest(source), repeat=0)
    outcome = evaluated.outcome
    if not isinstance(outcome, Scored):
        child.problem = f"{outcome.stage}: {outcome.reason}"
        return None
    child.level = LEVELS.index("scored")
    child.error, child.params = outcome.metrics["error"], outcome.metrics["params"]
    best = min((p.metrics["error"] * p.metrics["params"] for p in parents), default=0.0)
    if child.error * child.params < best:
        child.level = LEVELS.index("better")
    return None


async def dry_run(bench: Bench, evaluator: Measuring, source: str) -> tuple[str, DryRunPassed | str]:
    """The source after its repairs, and what the dry run found or why it failed."""
    for repairs in range(REPAIRS + 1):
        found = await evaluator.dry_run(source)
        if isinstance(found, DryRunPassed):
            return source, found
        failed = failure_of(found)
        fixed = await repaired(bench, evaluator, source, found) if isinstance(found, Raised) else None
        if fixed is None or repairs == REPAIRS or vet(fixed.source, entry="Model", offers=bench.task.offers):
            break
        source = fixed.source
    return source, f"{failed.stage}: {failed.reason}"


async def repaired(bench: Bench, evaluator: Measuring, source: str, failure: Raised) -> ShapeRepair | None:
    """One repair; of two that fit, the smaller model that then works, as in a campaign."""
    first = repair(source, failure, offers=bench.task.offers)
    if first is None or first.other is None:
        return first
    sizes: list[float] = []
    for way in (first, first.other):
        found = await evaluator.dry_run(way.source)
        sizes.append(found.params if isinstance(found, DryRunPassed) else math.inf)
    return first if sizes[0] <= sizes[1] else first.other


def keep(text: str, reason: str, parents: Sequence[Parent], result: Result) -> None:
    """For lm.repair: a file that failed, with a parent that it came from."""
    if result.operator != "lm.repair" and parents and readable(text):
        result.broken.append({"text": text, "reason": reason, "parent": parents[0].id})


def show(result: Result, proposals: int, end: str = "\r") -> None:
    counts = {name: sum(c.level >= at for c in result.children) for at, name in enumerate(LEVELS)}
    said = ", ".join(f"{count} {name}" for name, count in counts.items())
    graded = f"{len(result.children)} graded ({said})"
    print(
        f"{result.operator}: {len(result.drafts)}/{proposals}, {graded}, {sum(result.cpu):.0f} CPU s",
        end=end, file=sys.stderr, flush=True,
    )  # fmt: skip
