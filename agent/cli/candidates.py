"""Candidates: list, show, diff, lineage."""

from __future__ import annotations

from pathlib import Path

import click

from evoarch.agent.base.errors import UserError, nearest
from evoarch.agent.cli.common import folder_argument, id_argument, json_option, print_json

WIDE = 120
"""Columns from which a diff stands side by side."""

MOST_LISTED = 2000
"""Candidates that a tree in the terminal shows."""


@click.command(name="list")
@folder_argument
@click.option("--state", help="Only candidates in this state.")
@click.option("--operator", default="", help="Only candidates of this operator.")
@click.option("--text", default="", help="Only candidates whose source has this text.")
@click.option(
    "--sort", type=click.Choice(["id", "error", "params", "generation"]), default="id", show_default=True
)
@click.option("--limit", type=click.IntRange(min=1), help="At most so many.")
@json_option
def list_(
    folder: Path, state: str | None, operator: str, text: str, sort: str, limit: int | None, as_json: bool
) -> None:
    """List the candidates of a campaign, a row each.

    \b
    Example:
      evoarch list demo --state scored --sort error --text nn.GRU
    """
    from evoarch.agent.cli.candidate_views import listed, row
    from evoarch.agent.cli.output import console, paged, reading
    from evoarch.agent.statistics.front import elites
    from evoarch.agent.statistics.noise import read_noise
    from evoarch.archive.browse import Filter
    from evoarch.archive.records import State

    store, config = reading(folder)
    if state is not None and state not in set(State):
        raise UserError(f"--state {state}: unknown state; {nearest(state, [str(s) for s in State])}")
    if operator and operator not in (known := store.browse.operators()):
        raise UserError(f"--operator {operator}: made no candidate here; {nearest(operator, known)}")
    chosen = Filter(state=state or "", operator=operator, text=text)
    found = store.browse.page(chosen, order_by=sort, limit=-1 if limit is None else limit)
    noise = read_noise(store)
    if as_json:
        print_json("list", [row(candidate, noise) for candidate in found])
        return
    front = {elite.id for elite in elites(store, config)}
    paged(console(), listed(store, found, noise, front))


@click.command()
@folder_argument
@id_argument
@json_option
def show(folder: Path, identity: int, as_json: bool) -> None:
    """Show one candidate: where it comes from, what was found, whether it is better, its source.

    \b
    Example:
      evoarch show demo 17
    """
    from evoarch.agent.analysis.verdict import judge
    from evoarch.agent.cli.candidate_views import as_json as whole
    from evoarch.agent.cli.candidate_views import find, shown
    from evoarch.agent.cli.output import console, paged, reading
    from evoarch.agent.statistics.front import elites
    from evoarch.agent.statistics.noise import read_noise

    store, config = reading(folder)
    candidate = find(store, identity)
    evaluations = store.evaluations(identity)
    noise = read_noise(store)
    judgement = judge(store, config, candidate, elites(store, config), noise)
    if as_json:
        print_json("show", whole(store, candidate, evaluations, judgement, noise))
    else:
        paged(console(), *shown(store, candidate, evaluations, judgement, noise))


@click.command()
@folder_argument
@id_argument
@click.argument("other", required=False, type=int)
def diff(folder: Path, identity: int, other: int | None) -> None:
    """Show what a candidate changed, by statement, against its first parent or against OTHER.

    Side by side where the terminal has 120 columns.

    \b
    Example:
      evoarch diff demo 17
    """
    from evoarch.agent.cli.candidate_views import difference, find
    from evoarch.agent.cli.output import console, paged, reading
    from evoarch.agent.report.diff import compare

    store, _ = reading(folder)
    candidate = find(store, identity)
    if other is None:
        if not candidate.parents:
            raise UserError(f"#{identity} has no parent; name another candidate to compare with", code=1)
        other = candidate.parents[0]
    rows = compare(find(store, other).source, candidate.source)
    screen = console()
    paged(screen, difference(rows, f"#{other}", f"#{identity}", wide=screen.width >= WIDE))


@click.command()
@folder_argument
@click.argument("identity", metavar="[ID]", required=False, type=int)
@json_option
def lineage(folder: Path, identity: int | None, as_json: bool) -> None:
    """Show what a candidate comes from, or the tree from the seeds to the front.

    \b
    Example:
      evoarch lineage demo 17
    """
    from evoarch.agent.cli.candidate_views import find, row, tree
    from evoarch.agent.cli.output import console, paged, reading
    from evoarch.agent.statistics.front import elites
    from evoarch.agent.statistics.noise import read_noise

    store, config = reading(folder)
    front = {elite.id for elite in elites(store, config)}
    wanted = sorted(front) if identity is None else [find(store, identity).id]
    family = {c.id: c for c in store.browse.ancestors(wanted, most=MOST_LISTED)}
    if as_json:
        noise = read_noise(store)
        print_json("list", [row(family[key], noise) for key in sorted(family)])
        return
    paged(console(), tree(family, front, config))
