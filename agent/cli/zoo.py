"""The zoo: list it, search it, show a family."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from evoarch.agent.base.errors import UserError, nearest
from evoarch.agent.cli.common import json_option, print_json

if TYPE_CHECKING:
    from evoarch.evaluators.zoo.catalogue import Family


@click.group(invoke_without_command=True)
@click.option("--search", "word", metavar="WORD", help="Only families whose facts have this word.")
@json_option
@click.pass_context
def zoo(ctx: click.Context, word: str | None, as_json: bool) -> None:
    """List known architectures that a campaign can begin with (`evoarch init --seeds`).

    \b
    Examples:
      evoarch zoo
      evoarch zoo --search attention
      evoarch zoo show starnet
    """
    if ctx.invoked_subcommand:
        return
    from evoarch.evaluators.zoo.catalogue import load_catalogue

    found = [family for family in load_catalogue().values() if not word or _has(family, word)]
    if not found and word:
        raise UserError(f"--search: no family has {word!r}", code=1)
    if as_json:
        print_json("zoo", [_facts(family) for family in found])
        return
    from evoarch.agent.cli.output import console, table

    cells = [
        [family.name, str(family.paper.year), _kinds(family), _published(family), family.summary]
        for family in found
    ]
    columns = ["family", "year", "takes", "published parameters", "what it is"]
    console().print(table("", columns, cells, ("takes", "year")))


@zoo.command()
@click.argument("name")
@json_option
def show(name: str, as_json: bool) -> None:
    """Show one family: its paper, its published variants, how it scales, what it was compared with."""
    from evoarch.evaluators.zoo.catalogue import load_catalogue

    families = load_catalogue()
    if name not in families:
        raise UserError(f"expected a family of `evoarch zoo`, got {name!r}; {nearest(name, families)}")
    family = families[name]
    if as_json:
        print_json("zoo-family", _facts(family))
        return
    paper = family.paper
    arxiv = f", arXiv {paper.arxiv}" if paper.arxiv else ""
    compared = ", ".join(f"{each.package} {each.version} ({each.licence})" for each in family.oracles)
    click.echo(f"{family.title}: {family.summary}")
    click.echo(f"{paper.authors}: {paper.title}, {paper.year}{arxiv}")
    click.echo(f"scales by: {family.scaling}")
    click.echo(f"takes: {_kinds(family)}")
    click.echo(f"compared with: {compared or 'sums from the paper'} ({family.status})")
    if family.note:
        click.echo(f"note: {family.note}")
    click.echo(f"file: {family.path}")
    for variant in family.variants:
        click.echo(f"  {variant.name}: {variant.parameters:,} parameters, counted by {variant.source}")


def _has(family: Family, word: str) -> bool:
    paper = family.paper
    facts = (family.name, family.title, family.summary, family.scaling, paper.title, paper.authors)
    return word.lower() in " ".join([*facts, str(paper.year)]).lower()


def _kinds(family: Family) -> str:
    """What its networks take, by the number of dimensions of the catalogue's small inputs."""
    ranks = {len(small.input) for small in family.small}
    return " and ".join(word for rank, word in ((2, "sequences"), (3, "images")) if rank in ranks)


def _published(family: Family) -> str:
    sizes = [variant.parameters for variant in family.variants]
    return f"{min(sizes):,} to {max(sizes):,}" if len(sizes) > 1 else f"{sizes[0]:,}"


def _facts(family: Family) -> dict[str, object]:
    paper = family.paper
    return {
        "name": family.name,
        "title": family.title,
        "summary": family.summary,
        "scaling": family.scaling,
        "takes": _kinds(family),
        "paper": {"authors": paper.authors, "title": paper.title, "year": paper.year, "arxiv": paper.arxiv},
        "status": family.status,
        "note": family.note,
        "file": str(family.path),
        "variants": [
            {"name": each.name, "parameters": each.parameters, "source": each.source}
            for each in family.variants
        ],
    }
