"""Seeds: a user's own model files, inlined into a campaign."""

from __future__ import annotations

import ast
import asyncio
import json
import sys
from pathlib import Path

import click

from evoarch.agent.base.errors import UserError
from evoarch.agent.cli.common import folder_argument
from evoarch.agent.config.load import Config, load
from evoarch.agent.evaluation.walls import choose_level, open_walls
from evoarch.agent.seeding.add import ENTRY, Seed, Wanted, check_free, prepare, seed_findings, write_seed
from evoarch.evaluators.failures import failure_of
from evoarch.evaluators.registry import measuring
from evoarch.evaluators.replies import DryRunPassed
from evoarch.evaluators.task import Task
from evoarch.evaluators.tasks import load_task
from evoarch.sandbox.level import detect
from evoarch.sandbox.outcome import Raised


@click.group()
def seed() -> None:
    """Add your own model files to a campaign.

    \b
    Example:
      evoarch seed add demo ~/project/net/model.py:Net --evolve Block
    """


@seed.command()
@folder_argument
@click.argument("target", metavar="PATH[:ENTRY]")
@click.option(
    "--evolve", multiple=True, metavar="NAME", help="A class or function that may change; repeatable."
)
@click.option(
    "--kwargs", "given", multiple=True, metavar="K=V", help="A fixed argument of the entry; repeatable."
)
@click.option("--name", default="", metavar="N", help="The seed's name; the file's, if not given.")
@click.option("--accept", is_flag=True, help="Take a proposed adapter without asking.")
@click.option(
    "--unsafe", is_flag=True, help="Run where the system has no isolation to offer. Trusted code only."
)
def add(
    folder: Path,
    target: str,
    evolve: tuple[str, ...],
    given: tuple[str, ...],
    name: str,
    accept: bool,
    unsafe: bool,
) -> None:
    """Inline a model and the local files that it imports into one seed of the campaign in DIR.

    ENTRY is a class or function (default: Model). What --evolve names may change, the rest is frozen;
    without it all may change.

    \b
    Example:
      evoarch seed add demo ~/project/net/model.py:Net --evolve Block --kwargs depth=3
    """
    config = load(folder)
    path, _, entry = target.rpartition(":") if ":" in Path(target).name else (target, "", "")
    wanted = Wanted(Path(path), entry or ENTRY, evolve, arguments(given), name)
    task = load_task(config.campaign.task, folder)
    prepared = prepare(wanted, config.sandbox.imports)
    check_free(folder, prepared.wanted.name)
    built = list(prepared.seeds(task.offers))
    if problems := seed_findings(built[0], task.offers, config.sandbox.imports):
        raise UserError("\n".join(problems), code=1)
    chosen = asyncio.run(fitting(built, config, task, unsafe=unsafe))
    proposal = chosen.adapter.proposal
    if proposal:
        click.echo(
            f"{prepared.place}:{prepared.line}: {prepared.inlined.entry} does not fit the task as it is"
        )
        click.echo(f"proposed adapter ({proposal}):\n\n{chosen.adapter.text}")
        if not accept and not (sys.stdin.isatty() and click.confirm("Add the seed with this adapter?")):
            raise UserError("nothing was added; --accept takes the adapter as it stands here", code=1)
    written = write_seed(folder, chosen)
    files = ", ".join(chosen.record.files)
    click.echo(f"added {written}: {len(chosen.genome.splitlines())} lines from {files}")
    click.echo(f"open: {', '.join(chosen.record.evolve) or 'everything'}")
    if evolve and any(table.name == "random" for table in config.operators):
        click.echo("note: operator random draws whole files of its own, which no patch can return; remove it")


async def fitting(seeds: list[Seed], config: Config, task: Task, *, unsafe: bool) -> Seed:
    """The first seed that passes the dry run. Raises UserError: the failure of the first, at its place."""
    level = choose_level(detect(), config.sandbox.level, unsafe=unsafe)
    runner = await open_walls(level, task, config.sandbox)
    first = ""
    try:
        recipe = next(iter(task.recipes.values()))
        evaluator = measuring(task, recipe, runner, limits=config.evaluation.limits())
        for each in seeds:
            result = await evaluator.dry_run(each.genome)
            if isinstance(result, DryRunPassed):
                return each
            line = result.line if isinstance(result, Raised) else 0
            place = each.place(line) if line else f"{each.record.file}:1"
            first = first or f"{place}: {failure_of(result).reason}"
        tried = ", ".join(each.layout.name for each in seeds)
        raise UserError(f"{first}; examples were handed over {tried}", code=1)
    finally:
        await runner.close()


def arguments(given: tuple[str, ...]) -> dict[str, object]:
    """`k=v` pairs; values are Python literals, anything else is text. Raises UserError.

    The seed's record is JSON: what that can't hold is refused.
    """
    found: dict[str, object] = {}
    for text in given:
        key, equals, value = text.partition("=")
        if not equals or not key.isidentifier():
            raise UserError(f"--kwargs {text}: expected name=value, e.g. --kwargs depth=3")
        try:
            found[key] = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            found[key] = value
        except (MemoryError, RecursionError):
            raise UserError(f"--kwargs {key}: nested too deep") from None
        if not _storable(found[key]):
            raise UserError(f"--kwargs {text[:80]}: expected text, numbers, booleans, None, lists or dicts")
    return found


def _storable(value: object) -> bool:
    try:
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, TypeError, RecursionError):
        return False
    return True
