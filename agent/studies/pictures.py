"""The pictures of studies, as SVG files."""

from __future__ import annotations

from pathlib import Path

from evoarch.agent.base.errors import files_told
from evoarch.agent.report.svg import Axis, Chart, Dot, Line, draw
from evoarch.agent.studies.ablation import Explanation
from evoarch.agent.studies.distributions import edf, size_weights
from evoarch.agent.studies.populations import Spaces

STYLE = (
    "svg.chart { font: 11px system-ui, sans-serif; max-width: 640px; } .grid { stroke: #e5e7eb; } "
    ".tick, .label { fill: #374151; } .line { fill: none; stroke-width: 2; } .zero { stroke: #57534e; } "
    ".span { stroke-width: 6; stroke-linecap: round; opacity: .45; } .dot { stroke: #fff; } "
    ".carried { stroke: #15803d; } .dot.carried { fill: #15803d; stroke: #fff; } "
    ".none { stroke: #57534e; } .dot.none { fill: #57534e; stroke: #fff; } "
    ".hurt { stroke: #be123c; } .dot.hurt { fill: #be123c; stroke: #fff; } "
    ".first { stroke: #0b6e99; } .second { stroke: #c2410c; }"
)
FOLDER = "studies"
"""Of a campaign: where its pictures lie."""


def write(folder: Path, name: str, chart: Chart) -> Path:
    """The chart as DIR/studies/NAME.svg. Raises UserError."""
    path = folder / FOLDER / f"{name}.svg"
    with files_told(path):
        path.parent.mkdir(exist_ok=True)
        path.write_text(str(draw(chart, style=STYLE)) + "\n", encoding="utf-8")
    return path


def effects(found: Explanation) -> Chart:
    """A bar for each edit: the error without it less that with it, with its interval."""
    dots = []
    for number, each in enumerate(found.edits, 1):
        if each.effect is None:
            continue
        mean, low, high = (100 * value for value in (each.effect.mean, each.effect.low, each.effect.high))
        kind = "carried" if low > 0 else "hurt" if high < 0 else "none"
        said = f"{number}. {each.name}: {mean:+.2f} [{low:+.2f}, {high:+.2f}] points"
        dots.append(Dot(float(number), mean, said, kind, span=(low, high)))
    ends = [0.0, *(end for dot in dots for end in dot.span or ())]
    x = Axis("edit, by its number in the table", 0.0, len(found.edits) + 1.0)
    room = 0.06 * (max(ends) - min(ends)) or 1.0
    y = Axis("points of error without it", min(ends) - room, max(ends) + room)
    return Chart(
        "effects",
        f"Error of candidate {found.identity} without each edit, less that with it",
        x,
        y,
        lines=[Line([(x.low, 0.0), (x.high, 0.0)], "zero")],
        dots=dots,
        legend=[
            ("dot carried", "carried the gain"),
            ("dot none", "no effect shown"),
            ("dot hurt", "in the way"),
        ],
    )


def distributions(found: Spaces) -> Chart:
    """The share of models with at most such an error: of two populations at equal sizes."""
    first, *others = found.populations
    weights = size_weights(first.params, others[0].params) if others else None
    lines = []
    for number, each in enumerate(found.populations):
        steps = edf(each.errors, weights[number] if weights else None)
        points = [(steps[0][0], 0.0), *steps] if steps else []
        lines.append(Line(points, ("first", "second")[number], steps=True, label=each.name))
    errors = [error for each in found.populations for error in each.errors]
    equal = ", each size counting alike" if weights else ""
    return Chart(
        "distributions",
        f"Share of models with at most such an error{equal}",
        Axis.over("error", errors, log=True, least=1e-4),
        Axis("share of models", 0.0, 1.0),
        lines=lines,
        legend=[(f"line {line.kind}", line.label) for line in lines],
    )
