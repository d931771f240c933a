"""What each operator yields: shares of its proposals that are parsed, vetted, new, valid and scored, and new
valid children per CPU-minute, with a language model and with none.

    python -m benchmarks.operators [--proposals 104] [--operators lm.scoped,random] [--lm KEYS]

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
bootstrap's over calls. `--state` keeps what was proposed and graded, one file per operator: a rerun goes on
where the last one ended. `lm.plan` wants a chat model.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
import tomllib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

from benchmarks.operators_measure import Bench, Child, Result, measure, propose
from benchmarks.operators_table import BEGIN, DOCUMENT, END, rate, table, write_markdown

from evoarch.agent.config.lm import LMSettings
from evoarch.agent.lm.registry import build_lm
from evoarch.agent.operators.base import Operator, Parent
from evoarch.agent.operators.lm.drafts import LMOperator
from evoarch.agent.operators.registry import built_in
from evoarch.agent.search.task_card import task_card
from evoarch.archive.records import Scored
from evoarch.evaluators.registry import Measuring, measuring, program_for
from evoarch.evaluators.replies import DryRunPassed
from evoarch.evaluators.task import Task
from evoarch.evaluators.tasks import load_task
from evoarch.sandbox.genome import source_digest
from evoarch.sandbox.runner import start

__all__ = ["BEGIN", "DOCUMENT", "END", "Child", "Result", "rate", "table", "write_markdown"]

ASKING = tuple(name for name in built_in() if name.startswith("lm."))  # they ask a language model


KEPT = ("proposals", "batch", "rewrite_tokens", "threads", "seed", "recipe", "lm")
"""Arguments that results depend on."""


async def run(arguments: argparse.Namespace) -> dict[str, Result]:
    chat = settings_of(arguments).chat
    names = [name for name in built_in() if chat or name != "lm.plan"]
    if arguments.operators:
        names = arguments.operators.split(",")
    if unknown := [name for name in names if name not in built_in()]:
        raise SystemExit(f"--operators: unknown {', '.join(unknown)}; known: {', '.join(built_in())}")
    names.sort(key=lambda name: name == "lm.repair")
    settings = {key: getattr(arguments, key) for key in KEPT}
    found = {name: begun(arguments.state / f"{name}.json", name, settings) for name in built_in()}
    if any(len(found[name].children) < arguments.proposals for name in names):
        await measure_all(arguments, names, found)
    return {name: found[name] for name in names if found[name].children}


def begun(path: Path, name: str, settings: dict[str, object]) -> Result:
    """What an earlier run with these settings left of an operator."""
    known = Result.read(path) if path.exists() else None
    return known if known is not None and known.settings == settings else Result(name, settings)


async def measure_all(
    arguments: argparse.Namespace, names: Sequence[str], found: Mapping[str, Result]
) -> None:
    """Proposes and grades, operator by operator in the order of `names`."""
    task = load_task("mnist1d")
    lm = build_lm(settings_of(arguments))
    async with AsyncExitStack() as stack:
        stack.push_async_callback(lm.close)
        started: list[Measuring] = []

        async def evaluator() -> Measuring:
            """Started when something is to be graded: proposing needs no walls."""
            if not started:
                runner = await start(program_for(task))
                stack.push_async_callback(runner.close)
                started.append(measuring(task, task.recipes[arguments.recipe], runner))
            return started[0]

        bench = await prepared(task, evaluator, arguments)
        for name in names:
            result, path = found[name], arguments.state / f"{name}.json"
            if name == "lm.repair" and not result.drafts:
                result.broken = [one for other in ASKING if other != name for one in found[other].broken]
                if not result.broken:
                    print("lm.repair: nothing to mend; measure another LM operator first", file=sys.stderr)
                    continue
            asked = lm if name in ASKING else None
            await propose(bench, chosen(name, arguments), asked, result, arguments.proposals, path)
            if len(result.children) < len(result.drafts):
                await measure(bench, await evaluator(), result, path)


def settings_of(arguments: argparse.Namespace) -> LMSettings:
    """The `[[lm]]` table of the command line; `threads` are those of a local model."""
    return LMSettings(**{"threads": arguments.threads, **tomllib.loads(arguments.lm.replace(";", "\n"))})


async def prepared(
    task: Task, evaluator: Callable[[], Awaitable[Measuring]], arguments: argparse.Namespace
) -> Bench:
    """The baselines, trained once, as parents; kept in the file `baselines.json` of `--state`."""
    path = arguments.state / f"baselines-{arguments.recipe}.json"
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    for name, source in sorted(task.seeds.items()):
        if name not in known:
            sound = await (await evaluator()).dry_run(source)
            done = await (await evaluator()).evaluate(source, digest=source_digest(source), repeat=0)
            if not isinstance(sound, DryRunPassed) or not isinstance(done.outcome, Scored):
                raise SystemExit(f"baseline {name} was not scored: {done.outcome}")
            known[name] = {"metrics": dict(done.outcome.metrics), "function": sound.function_digest}
            arguments.state.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(known), encoding="utf-8")
    parents = [
        Parent(number, source, known[name]["metrics"])
        for number, (name, source) in enumerate(sorted(task.seeds.items()), 1)
    ]
    functions = frozenset({row["function"] for row in known.values()} - {""})
    card = task_card(task, task.recipes[arguments.recipe], ("error", "params"))
    return Bench(task, parents, functions, arguments.seed, card)


def chosen(name: str, arguments: argparse.Namespace) -> Operator:
    """The operator as a campaign has it, but for the sizes that the arguments give."""
    operator: Operator = built_in()[name]()
    if not isinstance(operator, LMOperator):
        return operator
    operator = replace(operator, chat=settings_of(arguments).chat)
    if name == "lm.rewrite":
        return replace(operator, samples=arguments.batch, max_tokens=arguments.rewrite_tokens)
    return replace(operator, samples=min(arguments.batch, 4) if name == "lm.repair" else arguments.batch)


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
    since = time.monotonic()
    results = asyncio.run(run(arguments))
    text = table(results)
    print(text)
    print(f"{(time.monotonic() - since) / 60:.1f} minutes", file=sys.stderr)
    if arguments.markdown:
        write_markdown(arguments.markdown, text, arguments)


if __name__ == "__main__":
    main()
