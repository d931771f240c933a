"""A few candidates beside each other, in the terminal."""

from __future__ import annotations

from rich.console import RenderableType
from rich.text import Text

from evoarch.agent.analysis.side_by_side import SideBySide
from evoarch.agent.base.formatting import cell, printable
from evoarch.agent.cli.output import table
from evoarch.agent.report.architecture import changes, trace_of
from evoarch.agent.statistics.intervals import in_words
from evoarch.archive.store import Store

MARKS = {"added": "+", "removed": "-", "changed": "~"}


def beside(found: SideBySide) -> list[RenderableType]:
    """Metrics as a table, a sentence for each pair, and the nearest common ancestor."""
    rows: list[list[object]] = []
    for metric in found.metrics:
        rows.append([metric, *(cell(c.metrics.get(metric)) for c in found.candidates)])
        if metric == "error":
            rows.append(["95%", *(in_words(found.intervals[c.id]) for c in found.candidates)])
    rows.append(["training seeds", *(c.seeds or None for c in found.candidates)])
    rows.append(["depth", *(c.generation for c in found.candidates)])
    rows.append(["operator", *(c.name or c.operator for c in found.candidates)])
    parts: list[RenderableType] = [table("", ["metric", *(f"#{c.id}" for c in found.candidates)], rows)]
    parts += [Text(printable(f"#{one} against #{c.other}: {c.words}")) for one, c in found.pairs]
    if found.ancestor:
        parts.append(
            Text(printable(f"nearest common ancestor: #{found.ancestor.id} {found.ancestor.name or ''}"))
        )
    else:
        parts.append(Text("they have no ancestor in common"))
    return [*parts, Text("")]


def traced_changes(store: Store, before: int, after: int) -> list[RenderableType]:
    """What differs between the calls that both models make; [] where a trace is missing or nothing
    differs.
    """
    one, other = (trace_of(store.traces.get(identity)) for identity in (before, after))
    found = [each for each in changes(one, other) if each.kind != "same"] if one and other else []
    if not found:
        return []
    head = Text(f"calls of #{after} that differ from those of #{before}, as their dry runs traced them:")
    return [head, *(Text(f"{MARKS[each.kind]} {each.words}") for each in found), Text("")]
