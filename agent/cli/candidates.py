"""Candidates: list, show, diff, lineage."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console, Group, RenderableType
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from evoarch.agent.analysis.verdict import Judgement, judge
from evoarch.agent.base.errors import UserError, nearest
from evoarch.agent.base.formatting import printable
from evoarch.agent.cli.common import cell, console, folder_argument, json_option, print_json, reading, table
from evoarch.agent.config.load import Config
from evoarch.agent.report.diff import DiffPiece, Row, compare
from evoarch.agent.statistics.front import elites
from evoarch.agent.statistics.intervals import in_words
from evoarch.agent.statistics.noise import Noise, read_noise
from evoarch.archive.browse import Filter
from evoarch.archive.errors import ArchiveError
from evoarch.archive.records import Candidate, Failed, Outcome, State
from evoarch.archive.store import Store

id_argument = click.argument("identity", metavar="ID", type=int)
WIDE = 120
"""Columns from which a diff stands side by side."""
COLOURS = {"changed": "yellow", "removed": "red", "added": "green", "same": ""}


def find(store: Store, identity: int) -> Candidate:
    try:
        return store.candidate(identity)
    except ArchiveError:
        last = store.browse.last_id()
        raise UserError(
            f"no candidate {identity}; there are {f'1 to {last}' if last else 'none yet'}", code=1
        ) from None


def row(candidate: Candidate, noise: Noise) -> dict[str, object]:
    error = candidate.metrics.get("error")
    interval = noise.interval(error, candidate.seeds)
    return {
        "id": candidate.id,
        "operator": candidate.operator,
        "parents": list(candidate.parents),
        "state": str(candidate.state),
        "error": error,
        "interval": [interval.low, interval.high] if interval else None,
        "params": candidate.metrics.get("params"),
        "seeds": candidate.seeds,
        "source_digest": candidate.source_digest,
        "generation": candidate.generation,
        "name": candidate.name,
    }


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
    store, config = reading(folder)
    if state is not None and state not in set(State):
        raise UserError(f"--state {state}: unknown state; {nearest(state, [str(s) for s in State])}")
    if operator and operator not in (known := store.browse.operators()):
        raise UserError(f"--operator {operator}: made no candidate here; {nearest(operator, known)}")
    chosen = Filter(state=state or "", operator=operator, text=text)
    found = store.browse.page(chosen, order_by=sort, limit=-1 if limit is None else limit)
    noise = read_noise(store)
    if as_json:
        print_json([row(candidate, noise) for candidate in found])
        return
    front = {elite.id for elite in elites(store, config)}
    vetoed, pinned = store.verdicts.vetoed(), store.verdicts.pinned()
    cells = [
        [
            c.id,
            c.name or c.operator,
            " ".join(f"#{p}" for p in c.parents),
            Text(str(c.state), style=_colour(c)),
            int(c.metrics["params"]) if "params" in c.metrics else None,
            c.metrics.get("error"),
            in_words(noise.interval(c.metrics.get("error"), c.seeds)),
            c.seeds or None,
            c.generation,
            " ".join(
                word for word, ids in (("front", front), ("veto", vetoed), ("pin", pinned)) if c.id in ids
            ),
        ]
        for c in found
    ]
    columns = ["id", "operator", "parents", "state", "params", "error", "95%", "seeds", "depth", ""]
    _paged(console(), table("", columns, cells))


def _colour(candidate: Candidate) -> str:
    return {State.SCORED: "green", State.FAILED: "red", State.REJECTED: "red"}.get(candidate.state, "dim")


def _paged(screen: Console, *parts: RenderableType) -> None:
    """Through the pager where a person looks at more than a screenful, plainly otherwise."""
    shown = Group(*parts)
    if screen.is_terminal and len(screen.render_lines(shown, pad=False)) > screen.height:
        with screen.pager(styles=True):
            screen.print(shown)
    else:
        screen.print(shown)


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
    store, config = reading(folder)
    candidate = find(store, identity)
    evaluations = store.evaluations(identity)
    noise = read_noise(store)
    judgement = judge(store, config, candidate, elites(store, config), noise)
    if as_json:
        outcomes = [
            {"rung": e.rung, "seed": e.seed, "kind": e.kind, "seconds": e.seconds, **_outcome(e.outcome)}
            for e in evaluations
        ]
        extra = {
            "source": candidate.source,
            "note": candidate.note,
            "repairs": list(candidate.repairs),
            "evaluations": outcomes,
            "comparisons": [c.as_json() for c in judgement.comparisons] if judgement else [],
            "on_front": judgement.on_front if judgement else False,
            "verdicts": [
                {"kind": v.kind, "text": v.text, "time": v.time} for v in store.verdicts.all(identity)
            ],
        }
        print_json({**row(candidate, noise), **extra})
        return
    parents = ", ".join(f"#{p}" for p in candidate.parents) or "none"
    lines = [
        Text.assemble(
            (f"#{candidate.id}", "bold"),
            f" {printable(candidate.name or '')} ",
            (str(candidate.state), _colour(candidate)),
            f" · {candidate.operator} · parents {parents} · depth {candidate.generation}",
        )
    ]
    change, _ = store.change(identity)
    said = [f"its operator said: {change}"] if change else []
    said += [candidate.note] if candidate.note else []
    said += [f"repaired: {repair}" for repair in candidate.repairs]
    for e in evaluations:
        found = ", ".join(f"{k} {cell(v)}" for k, v in _outcome(e.outcome).items())
        said.append(f"{e.rung}, training seed {e.seed}: {found}; {e.seconds:.1f} s")
    if interval := noise.interval(candidate.metrics.get("error"), candidate.seeds):
        plural = "s" if candidate.seeds > 1 else ""
        said.append(
            f"error {cell(candidate.metrics['error'])}, 95% {in_words(interval)} over {candidate.seeds} "
            f"training seed{plural} and {noise.examples:,} validation examples"
        )
    said += [f"{v.kind}: {v.text}" if v.text else f"{v.kind}" for v in store.verdicts.all(identity)]
    lines += [Text(printable(line)) for line in said]
    lines += _judged(judgement)
    source = printable(candidate.source)
    _paged(console(), *lines, Syntax(source, "python", background_color="default", line_numbers=True))


def _judged(judgement: Judgement | None) -> list[Text]:
    if judgement is None:
        return []
    colours = {"better": "green", "worse": "red"}
    lines = [
        Text(f"against {c.role} #{c.other} {printable(c.name)}: ").append(c.words, colours.get(c.outcome, ""))
        for c in judgement.comparisons
    ]
    by = ", ".join(f"#{identity}" for identity in judgement.dominated_by)
    if not by:
        by_few = "not on the front: an elite needs more training seeds"
        return [*lines, Text("on the front: nothing scored dominates it" if judgement.on_front else by_few)]
    return [*lines, Text(f"dominated by {by}")]


def _outcome(outcome: Outcome) -> dict[str, object]:
    if isinstance(outcome, Failed):
        return {
            "outcome": "failed",
            "stage": outcome.stage,
            "reason": outcome.reason,
            "fault": str(outcome.fault),
        }
    return {"outcome": "scored", **outcome.metrics}


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
    store, _ = reading(folder)
    candidate = find(store, identity)
    if other is None:
        if not candidate.parents:
            raise UserError(f"#{identity} has no parent; name another candidate to compare with", code=1)
        other = candidate.parents[0]
    rows = compare(find(store, other).source, candidate.source)
    screen = console()
    if screen.width >= WIDE:
        _paged(screen, _side_by_side(rows, f"#{other}", f"#{identity}"))
    else:
        _paged(screen, _stacked(rows, f"#{other}", f"#{identity}"))


def _side_by_side(rows: list[Row], left: str, right: str) -> Table:
    built = Table(box=None, pad_edge=False, expand=True)
    built.add_column(left, ratio=1)
    built.add_column(right, ratio=1)
    for each in rows:
        built.add_row(_side(each.left, each.kind), _side(each.right, each.kind))
    return built


def _side(pieces: tuple[DiffPiece, ...], kind: str) -> Text:
    text = Text()
    for piece in pieces:
        text.append(
            printable(piece.text), f"bold reverse {COLOURS[kind]}" if piece.changed else COLOURS[kind]
        )
    return text


def _stacked(rows: list[Row], left: str, right: str) -> Text:
    text = Text(f"--- {left}\n+++ {right}\n")
    for each in rows:
        if each.kind == "same":
            text.append(f"  {printable(each.left_text)}\n")
            continue
        if each.left:
            text.append("- ", "red").append_text(_side(each.left, "removed")).append("\n")
        if each.right:
            text.append("+ ", "green").append_text(_side(each.right, "added")).append("\n")
    text.rstrip()
    return text


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
    store, config = reading(folder)
    front = {elite.id for elite in elites(store, config)}
    wanted = sorted(front) if identity is None else [find(store, identity).id]
    family = {c.id: c for c in store.browse.ancestors(wanted, most=MOST_LISTED)}
    if as_json:
        noise = read_noise(store)
        print_json([row(family[key], noise) for key in sorted(family)])
        return
    _paged(console(), _tree(family, front, config))


MOST_LISTED = 2000
"""Candidates that a tree in the terminal shows."""


def _tree(family: dict[int, Candidate], front: set[int], config: Config) -> Tree:
    """Each candidate under its first parent; further parents are named beside it."""
    root = Tree(Text(printable(config.campaign.name)))
    branches: dict[int, Tree] = {}
    for candidate in sorted(family.values(), key=lambda c: c.id):
        error = candidate.metrics.get("error")
        label = Text(f"#{candidate.id} ", "bold" if candidate.id in front else "")
        label.append(printable(candidate.name or candidate.operator))
        label.append(
            f"  error {cell(error)}" if error is not None else f"  {candidate.state}", _colour(candidate)
        )
        label.append(
            f", {cell(int(candidate.metrics['params']))} parameters" if "params" in candidate.metrics else ""
        )
        label.append("".join(f", with #{p}" for p in candidate.parents[1:]))
        label.append("  front" if candidate.id in front else "", "cyan")
        above = branches.get(candidate.parents[0], root) if candidate.parents else root
        branches[candidate.id] = above.add(label)
    return root
