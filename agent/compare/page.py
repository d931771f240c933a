"""The page about a comparison: Markdown and HTML from one value, curves with bands as SVG."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from numpy.typing import NDArray

from evoarch.agent.base.errors import files_told
from evoarch.agent.base.formatting import finalised
from evoarch.agent.compare.comparison import Comparison
from evoarch.agent.compare.curves import MEASURES, Curve, Measure
from evoarch.agent.compare.sizes import GRID as GRID_OF_SIZES
from evoarch.agent.report.svg import Axis, Band, Chart, Line, draw
from evoarch.agent.statistics.tests import interval

COLOURS = ("#0b6e99", "#c2410c", "#4d7c0f", "#7c3aed", "#a16207", "#be123c", "#0f766e", "#57534e")
"""Of arms, in their order; dark enough for text on white."""
GRID = 60


def style() -> str:
    """The style sheet of the pictures: arms by number."""
    rules = [
        f".line.arm{i} {{ stroke: {c}; }} .band.arm{i} {{ fill: {c}; }} .key{i} {{ color: {c}; }}"
        for i, c in enumerate(COLOURS)
    ]
    base = (
        "svg.chart { font: 11px system-ui, sans-serif; max-width: 640px; } "
        ".grid { stroke: #e5e7eb; } .tick, .label { fill: #374151; } "
        ".line { fill: none; stroke-width: 2; } .band { opacity: 0.15; stroke: none; } "
    )
    return base + " ".join(rules)


def chart(comparison: Comparison, measure: Measure, axis: str) -> Chart:
    """Mean over runs in a band, up to what every run spent; `axis` is `evaluations` or `CPU seconds`.

    The band is the interval of the tables, Student's t: at the end of the axis the two are one.
    """
    by_count = axis == "evaluations"
    ends = [c.points[-1].evaluations if by_count else c.points[-1].cpu_seconds for c in comparison.curves]
    # A run may be finished with nothing but its seeds; an axis has to have a length.
    end = min(ends) or 1
    grid = np.linspace(0 if by_count else end / GRID, end, GRID)
    lines, bands, low, high = [], [], [], []
    for number, arm in enumerate(comparison.arms):
        values = np.array([_sampled(c, measure, grid, by_count) for c in comparison.of(arm)])
        mean, low_edge, high_edge = np.array([interval(column) for column in values.T]).T
        kind = f"arm{number % len(COLOURS)}"
        lines.append(Line(list(zip(grid.tolist(), mean.tolist(), strict=True)), kind, label=arm))
        edges = zip(grid.tolist(), low_edge.tolist(), high_edge.tolist(), strict=True)
        bands.append(Band(list(edges), kind))
        low.append(float(low_edge.min()))
        high.append(float(high_edge.max()))
    x, y = Axis(axis, float(grid[0]), float(grid[-1])), Axis.over(measure.name, [*low, *high])
    return Chart(f"{measure.name}-{axis}", f"{measure.words}, by {axis}", x, y, lines, bands=bands)


def attainment(comparison: Comparison) -> Chart:
    """The error that half of each arm's runs attain against size, at the budget in evaluations."""
    found = comparison.sizes[0]
    lines = [
        Line(list(points), f"arm{number % len(COLOURS)}", steps=True, label=arm)
        for number, (arm, points) in enumerate(found.attained.items())
    ]
    points = [point for line in lines for point in line.points]
    x = Axis.over("parameters", [params for params, _ in points], log=True)
    y = Axis.over("error", [error for _, error in points])
    title = f"error that half of the runs attain, at {found.budget:,.0f} {found.axis}"
    return Chart("attained", title, x, y, lines)


def _sampled(curve: Curve, measure: Measure, grid: NDArray[np.float64], by_count: bool) -> list[float]:
    points = [curve.at_evaluations(int(x)) if by_count else curve.at_seconds(float(x)) for x in grid]
    return [point.value(measure.name) for point in points]


def write(comparison: Comparison, folder: Path, title: str) -> list[Path]:
    """report.md, report.html and a picture for each measure and axis, into `folder`. Raises UserError."""
    environment = Environment(
        loader=PackageLoader("evoarch.agent.compare"),
        undefined=StrictUndefined,
        finalize=finalised,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=lambda name: bool(name and ".html" in name),
        keep_trailing_newline=True,
    )
    pictures: list[tuple[str, Markup]] = []
    for axis in ("evaluations", "CPU seconds"):
        for measure in MEASURES:
            name = f"{measure.name}-{axis.replace(' ', '-')}.svg"
            pictures.append((name, draw(chart(comparison, measure, axis), style=style())))
    pictures.append(("attained.svg", draw(attainment(comparison), style=style())))
    written = []
    for name, picture in pictures:
        written.append(_put(folder / name, str(picture)))
    context = {"title": title, "comparison": comparison, "pictures": pictures, "style": Markup(style())}
    context["grid"] = GRID_OF_SIZES
    for form in ("md", "html"):
        text = environment.get_template(f"report.{form}.j2").render(context)
        written.append(_put(folder / f"report.{form}", text))
    return written


def _put(path: Path, text: str) -> Path:
    with files_told(path):
        path.write_text(text, encoding="utf-8")
    return path
