"""Candidates: list, show, diff, export."""

from __future__ import annotations

import difflib
from pathlib import Path

import click
from rich.syntax import Syntax

from agent.cli.common import cell, console, folder_argument, json_option, print_json, reading, table
from agent.errors import UserError, nearest
from archive.errors import ArchiveError
from archive.records import Candidate, Failed, State
from archive.store import Store

id_argument = click.argument("identity", metavar="ID", type=int)


def find(store: Store, identity: int) -> Candidate:
    try:
        return store.candidate(identity)
    except ArchiveError:
        ids = [c.id for c in store.candidates(sources=False)]
        span = f"{min(ids)} to {max(ids)}" if ids else "none yet"
        raise UserError(f"no candidate {identity}; there are {span}", code=1) from None


def row(candidate: Candidate) -> dict[str, object]:
    return {
        "id": candidate.id,
        "operator": candidate.operator,
        "parents": list(candidate.parents),
        "state": str(candidate.state),
        "error": candidate.metrics.get("error"),
        "params": candidate.metrics.get("params"),
        "seeds": candidate.seeds,
        "source_digest": candidate.source_digest,
        "generation": candidate.generation,
        "name": candidate.name,
    }


@click.command(name="list")
@folder_argument
@click.option("--state", help="Only candidates in this state.")
@click.option("--sort", type=click.Choice(["id", "error", "params"]), default="id", show_default=True)
@json_option
def list_(folder: Path, state: str | None, sort: str, as_json: bool) -> None:
    """List the candidates of a campaign, a row each.

    \b
    Example:
      evoarch list demo --state scored --sort error
    """
    store, _ = reading(folder)
    if state is not None and state not in set(State):
        raise UserError(f"--state {state}: unknown state; {nearest(state, [str(s) for s in State])}")
    found = store.candidates(state=State(state) if state else None)
    rows = [row(candidate) for candidate in found]
    if sort != "id":
        rows.sort(key=lambda r: (r[sort] is None, r[sort], r["id"]))
    if as_json:
        print_json(rows)
        return
    columns = ["id", "operator", "parents", "state", "params", "error", "seeds", "generation", "name"]
    cells = [
        [
            " ".join(map(str, r[c])) if c == "parents" else int(r[c]) if c == "params" and r[c] else r[c]  # type: ignore[call-overload]
            for c in columns
        ]
        for r in rows
    ]
    console().print(table("", columns, cells))


@click.command()
@folder_argument
@id_argument
@json_option
def show(folder: Path, identity: int, as_json: bool) -> None:
    """Show one candidate: where it comes from, what was found, its source.

    \b
    Example:
      evoarch show demo 17
    """
    store, _ = reading(folder)
    candidate = find(store, identity)
    evaluations = store.evaluations(identity)
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
        }
        print_json({**row(candidate), **extra})
        return
    screen = console()
    parents = ", ".join(f"#{p}" for p in candidate.parents) or "none"
    screen.print(
        f"[bold]#{candidate.id}[/] {candidate.name or ''} {candidate.state} · {candidate.operator} · "
        f"parents {parents} · generation {candidate.generation}"
    )
    if candidate.note:
        screen.print(candidate.note, markup=False)
    for repair in candidate.repairs:
        screen.print(f"repaired: {repair}", markup=False)
    for e in evaluations:
        found = ", ".join(f"{k} {cell(v)}" for k, v in _outcome(e.outcome).items())
        screen.print(f"{e.rung}, seed {e.seed}: {found}; {e.seconds:.1f} s", markup=False)
    screen.print(Syntax(candidate.source, "python", background_color="default"))


def _outcome(outcome: object) -> dict[str, object]:
    if isinstance(outcome, Failed):
        return {
            "outcome": "failed",
            "stage": outcome.stage,
            "reason": outcome.reason,
            "fault": str(outcome.fault),
        }
    return {"outcome": "scored", **getattr(outcome, "metrics", {})}


@click.command()
@folder_argument
@id_argument
@click.argument("other", required=False, type=int)
def diff(folder: Path, identity: int, other: int | None) -> None:
    """Show what a candidate changed, against its first parent or against OTHER.

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
    base = find(store, other)
    lines = difflib.unified_diff(
        base.source.splitlines(), candidate.source.splitlines(), f"#{other}", f"#{identity}", lineterm=""
    )
    console().print(Syntax("\n".join(lines), "diff", background_color="default"))


@click.command()
@folder_argument
@id_argument
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, metavar="FILE")
def export(folder: Path, identity: int, output: Path) -> None:
    """Write a candidate's model file, under a header that says where it comes from.

    \b
    Example:
      evoarch export demo 17 -o model.py
    """
    store, config = reading(folder)
    candidate = find(store, identity)
    if candidate.state is not State.SCORED:
        raise UserError(
            f"#{identity} is {candidate.state}; expected a scored candidate (`evoarch list {folder} --state scored`)",
            code=1,
        )
    metrics = ", ".join(f"{key} {cell(value)}" for key, value in sorted(candidate.metrics.items()))
    header = (
        f"# evoarch: candidate {identity} of campaign {config.campaign.name!r}, task {config.campaign.task}\n"
        f"# {metrics} (validation, {candidate.seeds} training seeds)\n"
        f"# operator {candidate.operator}, parents {list(candidate.parents)}, generation {candidate.generation}\n"
        f"# source digest {candidate.source_digest}\n"
    )
    output.write_text(header + candidate.source, encoding="utf-8")
    click.echo(f"wrote {output}")
