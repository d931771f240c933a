"""The page that compares a few chosen candidates: what its template shows."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from evoarch.agent.analysis.side_by_side import MOST, side_by_side
from evoarch.agent.config.load import Config
from evoarch.agent.report.architecture import changes, draw_trace, kinds_after, trace_of
from evoarch.agent.report.diff import compare
from evoarch.agent.report.figures import curves_together
from evoarch.agent.report.svg import draw
from evoarch.agent.surrogate.labels import shares_of
from evoarch.archive.records import Candidate
from evoarch.archive.store import Store


def read_ids(texts: Sequence[str]) -> list[int]:
    """The numbers in `ids=1,2&ids=3`, each once, at most MOST; what is no number counts as not said."""
    words = [word.strip().lstrip("#") for text in texts for word in text.split(",")]
    numbers = [int(word) for word in words if word.isascii() and word.isdigit() and len(word) < 13]
    return list(dict.fromkeys(numbers))[:MOST]


def comparison_view(store: Store, config: Config, candidates: Sequence[Candidate]) -> dict[str, object]:
    """Metrics, pairs, curves, architectures and code of `candidates`, with sources; the first is what the
    others are held against.
    """
    found = side_by_side(store, candidates)
    curves = curves_together(
        [store.evaluations(c.id) for c in candidates], shares_of(config.evaluation.rungs)
    )
    traces = {c.id: trace_of(store.traces.get(c.id)) for c in candidates}
    base = candidates[0]
    first = traces[base.id]
    architectures = []
    for c in candidates:
        trace = traces[c.id]
        if trace is not None:
            differs = changes(first, trace) if first is not None and c is not base else []
            drawn = draw_trace(trace, kinds_after(differs))
            architectures.append((c, drawn, [each for each in differs if each.kind != "same"]))
    return {
        "found": found,
        "curves": draw(curves) if curves else Markup(""),
        "architectures": architectures,
        "untraced": [c.id for c in candidates if traces[c.id] is None],
        "base": base,
        "diffs": [(c, compare(base.source, c.source)) for c in candidates[1:]],
        "most": MOST,
    }
