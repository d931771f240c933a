"""Candidates as comma-separated values, a row each, for spreadsheets and data frames."""

from __future__ import annotations

import csv
import io

from evoarch.agent.statistics.noise import read_noise
from evoarch.archive.filters import Filter
from evoarch.archive.store import Store

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""How a cell begins that a spreadsheet would compute: generated text must not be obeyed."""


def as_csv(
    store: Store, chosen: Filter, order: str = "id", *, descending: bool = False, limit: int = -1
) -> str:
    """The candidates that `chosen` lets through, with every metric that any has; no row is left out but by
    `limit`.
    """
    found = store.browse.page(chosen, order_by=order, descending=descending, limit=limit)
    ids = [candidate.id for candidate in found]
    costs, endings = store.browse.costs(ids), store.browse.endings(ids)
    noise, metrics = read_noise(store), store.browse.metrics()
    vetoed, pinned = store.verdicts.vetoed(), store.verdicts.pinned()
    written = io.StringIO()
    rows = csv.writer(written, lineterminator="\n")
    rows.writerow(
        (
            *("id", "name", "operator", "parents", "depth", "state", "stage", "reason", *metrics),
            *("error_low", "error_high", "seeds", "cpu_seconds", "verdict"),
        )
    )
    for c in found:
        stage, reason = endings.get(c.id, ("", ""))
        interval = noise.interval(c.metrics.get("error"), c.seeds)
        verdict = "veto" if c.id in vetoed else "pin" if c.id in pinned else ""
        texts = [c.name or "", c.operator, " ".join(map(str, c.parents))]
        rows.writerow(
            [c.id, *map(_text, texts), c.generation, str(c.state), _text(stage), _text(reason)]
            + [c.metrics.get(name, "") for name in metrics]
            + ([interval.low, interval.high] if interval else ["", ""])
            + [c.seeds or "", costs[c.id], verdict]
        )
    return written.getvalue()


def _text(value: str) -> str:
    return f"'{value}" if value.startswith(_FORMULA) else value
