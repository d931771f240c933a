"""Candidates: list, show, diff, lineage."""

from __future__ import annotations

from pathlib import Path

import click

from evoarch.agent.base.errors import UserError
from evoarch.agent.cli.common import folder_argument, id_argument, json_option, print_json

WIDE = 120
"""Columns from which a diff stands side by side."""

MOST_LISTED = 2000
"""Candidates that a tree in the terminal shows."""


@click.command(name="list")
@folder_argument
@click.argument("where", metavar="[FILTER]...", nargs=-1)
@click.option("--state", default="", help="Only candidates in this state.")
@click.option("--operator", default="", help="Only candidates of this operator.")
@click.option("--text", default="", help="Only candidates whose source has this text.")
@click.option("--sort", default="id", show_default=True, help="id, depth, cpu or any metric, such as flops.")
@click.option("--descending", is_flag=True, help="The largest first.")
@click.option("--columns", default="", metavar="NAMES", help="Such as error,flops,why.")
@click.option("--limit", type=click.IntRange(min=1), help="At most so many.")
@click.option("--csv", "as_table", is_flag=True, help="Print CSV with every metric.")
@json_option
def list_(
    folder: Path,
    where: tuple[str, ...],
    state: str,
    operator: str,
    text: str,
    sort: str,
    descending: bool,
    columns: str,
    limit: int | None,
    as_table: bool,
    as_json: bool,
) -> None:
    """List the candidates of a campaign, a row each.

    FILTER, in quotes, as on the review page: error<0.03, params<3k, op:lm*, stage:build, reason:*channels*,
    text:GRU, front:yes, verdict:veto, from:30; a minus turns a term round. docs/review.md tells all.

    \b
    Examples:
      evoarch list demo 'error<0.1 op:lm* front:yes' --sort error
      evoarch list demo 'state:failed,rejected' --columns why
      evoarch list demo --csv
    """
    from evoarch.agent.analysis.filtering import chosen_by, order_of
    from evoarch.agent.cli.candidate_views import listed, row
    from evoarch.agent.cli.common import tell
    from evoarch.agent.cli.output import console, paged, reading
    from evoarch.agent.report.spreadsheet import as_csv
    from evoarch.agent.statistics.front import elites
    from evoarch.agent.statistics.noise import read_noise

    store, config = reading(folder)
    front = frozenset(elite.id for elite in elites(store, config))
    chosen = chosen_by(store, " ".join(where), state, operator, text, front)
    order = order_of(store, sort)
    if as_table:
        click.echo(as_csv(store, chosen, order, descending=descending, limit=limit or -1), nl=False)
        return
    found = store.browse.page(chosen, order_by=order, descending=descending, limit=limit or -1)
    total = store.browse.count(chosen) if limit else len(found)
    if len(found) < total:
        tell([f"{len(found):,} of {total:,} candidates; --limit says how many"])
    noise = read_noise(store)
    endings = store.browse.endings([candidate.id for candidate in found])
    if as_json:
        print_json("list", [row(candidate, noise, endings) for candidate in found])
        return
    goals = config.selection.objectives
    paged(console(), listed(store, found, noise, front, goals, endings, columns))


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
@click.argument("others", metavar="[OTHER]...", nargs=-1, type=int)
def diff(folder: Path, identity: int, others: tuple[int, ...]) -> None:
    """Show what a candidate changed, by statement, against its first parent or against OTHER.

    Side by side where a terminal has 120 columns, else, and into a pipe, below each other with - and +. With
    several OTHER, up to five: all metrics beside each other, each pair tested, the nearest common ancestor,
    then the changes.

    \b
    Examples:
      evoarch diff demo 17
      evoarch diff demo 17 12 4
    """
    from evoarch.agent.analysis.side_by_side import MOST, side_by_side
    from evoarch.agent.cli.candidate_views import find
    from evoarch.agent.cli.comparing import beside, traced_changes
    from evoarch.agent.cli.differences import difference
    from evoarch.agent.cli.output import console, paged, reading, terminal
    from evoarch.agent.report.diff import compare

    store, _ = reading(folder)
    candidate = find(store, identity)
    if not others:
        if not candidate.parents:
            raise UserError(f"#{identity} has no parent; name another candidate to compare with", code=1)
        others = candidate.parents[:1]
    ids = list(dict.fromkeys([identity, *others]))
    if len(ids) > MOST:
        raise UserError(f"expected at most {MOST} candidates, got {len(ids)}")
    found = [find(store, each) for each in ids]
    screen = console()
    parts = beside(side_by_side(store, found)) if len(found) > 2 else []
    for other in found[1:] or found:
        parts += traced_changes(store, other.id, identity)
        rows = compare(other.source, candidate.source)
        wide = terminal() and screen.width >= WIDE
        parts.append(difference(rows, f"#{other.id}", f"#{identity}", wide=wide))
    paged(screen, *parts)


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
    from evoarch.agent.cli.common import tell
    from evoarch.agent.cli.output import console, paged, reading
    from evoarch.agent.statistics.front import elites
    from evoarch.agent.statistics.noise import read_noise

    store, config = reading(folder)
    front = {elite.id for elite in elites(store, config)}
    wanted = sorted(front) if identity is None else [find(store, identity).id]
    whole = store.browse.related(wanted, up=True)
    if len(whole) > MOST_LISTED:
        tell([f"{MOST_LISTED:,} of {len(whole):,}, the nearest; `evoarch list` with into:ID has all"])
    family = {c.id: c for c in store.browse.some(whole[:MOST_LISTED])}
    if as_json:
        noise, endings = read_noise(store), store.browse.endings(list(family))
        print_json("list", [row(family[key], noise, endings) for key in sorted(family)])
        return
    paged(console(), tree(family, front, config))
