"""Seeds: a user's own model files, inlined into a campaign."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import click

from evoarch.agent.base.errors import UserError
from evoarch.agent.cli.common import folder_argument
from evoarch.agent.cli.trust import agree, trust_option


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
@trust_option
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
    trust: bool,
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
    from evoarch.agent.config.recorded import settings_for_run
    from evoarch.agent.config.trust import code_of
    from evoarch.agent.evaluation.fitting import fitted_seed
    from evoarch.agent.seeding.add import ENTRY, Wanted, write_seed
    from evoarch.agent.seeding.arguments import arguments

    agree(folder, code_of(settings_for_run(folder).config, folder), trust=trust)
    path, _, entry = target.rpartition(":") if ":" in Path(target).name else (target, "", "")
    wanted = Wanted(Path(path), entry or ENTRY, evolve, arguments(given), name)
    fitted = asyncio.run(fitted_seed(folder, wanted, unsafe=unsafe))
    prepared, chosen = fitted.prepared, fitted.seed
    if proposal := chosen.adapter.proposal:
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
    if fitted.note:
        click.echo(f"note: {fitted.note}")
