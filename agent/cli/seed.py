"""Seeds: models of a user's own repository, of which a campaign changes what is open."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from evoarch.agent.base.errors import UserError
from evoarch.agent.cli.common import folder_argument, unsafe_option
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
@click.option(
    "--input", "taken", default="", metavar="NAME", help="The argument, or {key}, that gets examples."
)
@click.option(
    "--data",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A file that is read at import.",
)
@click.option(
    "--weights",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A checkpoint to begin at (safetensors).",
)
@click.option("--accept", is_flag=True, help="Take a proposed adapter without asking.")
@click.option(
    "--allow-imports", is_flag=True, help="Let frozen code import installed packages without asking."
)
@click.option("--yes", is_flag=True, help="Both of the above.")
@click.option("--dry-run", is_flag=True, help="Do everything but write.")
@unsafe_option
def add(
    folder: Path,
    target: str,
    evolve: tuple[str, ...],
    given: tuple[str, ...],
    name: str,
    trust: bool,
    taken: str,
    data: tuple[Path, ...],
    weights: Path | None,
    accept: bool,
    allow_imports: bool,
    yes: bool,
    dry_run: bool,
    unsafe: bool,
) -> None:
    """Add a model of a repository to the campaign in DIR: its files travel as they are, what is open evolves.

    ENTRY is a class or function (default: Model). What --evolve names may change, the rest is frozen;
    without it, what the entry uses of its own file may change.

    \b
    Example:
      evoarch seed add demo ~/project/net/model.py:Net --evolve Block --kwargs depth=3
    """
    from evoarch.agent.config.recorded import settings_for_run
    from evoarch.agent.config.trust import code_of
    from evoarch.agent.evaluation.fitting import fitted_seed
    from evoarch.agent.seeding.add import Wanted, write_seed
    from evoarch.agent.seeding.arguments import arguments
    from evoarch.agent.seeding.splice import ENTRY

    agree(folder, code_of(settings_for_run(folder).config, folder), trust=trust)

    def allow(packages: Sequence[str]) -> None:
        click.echo(f"frozen code imports: {', '.join(packages)}")
        if not (allow_imports or yes) and not _asked("Allow these for it alone?"):
            raise UserError("nothing was added; --allow-imports lets frozen code import them", code=1)

    path, _, entry = target.rpartition(":") if ":" in Path(target).name else (target, "", "")
    wanted = Wanted(Path(path), entry or ENTRY, evolve, arguments(given), name, data, weights)
    fitted = asyncio.run(fitted_seed(folder, wanted, unsafe=unsafe, given=_given(taken), allow=allow))
    prepared, chosen = fitted.prepared, fitted.seed
    if proposal := chosen.adapter.proposal:
        place = f"{prepared.entry.source.place}:{prepared.entry.line}"
        click.echo(f"{place}: {prepared.entry.name} does not fit the task as it is")
        click.echo(f"proposed adapter ({proposal}):\n\n{chosen.adapter.text}")
        if not (accept or yes or dry_run) and not _asked("Add the seed with this adapter?"):
            raise UserError("nothing was added; --accept takes the adapter as it stands here", code=1)
    record = chosen.record
    if dry_run:
        click.echo(f"would add seeds/{record.name}.py")
    else:
        click.echo(f"added {write_seed(folder, chosen)}")
    frozen = len(record.modules)
    click.echo(f"open: {', '.join(record.evolve)} ({', '.join(record.files)}); frozen: {frozen} modules")
    click.echo(f"proof: {fitted.proof}")
    if fitted.note:
        click.echo(f"note: {fitted.note}")


def _asked(question: str) -> bool:
    return sys.stdin.isatty() and click.confirm(question)


def _given(taken: str) -> str:
    """How examples are passed, as Python writes it."""
    if not taken:
        return ""
    key = taken.strip("{}")
    if not all(part.isidentifier() for part in key.split()) or not key:
        raise UserError(f"--input {taken}: expected a name, or a key in braces, e.g. --input {{image}}")
    return f"{{{key!r}: x}}" if taken.startswith("{") else f"{key}=x"
