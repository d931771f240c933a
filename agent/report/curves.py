"""A chart of lines as JSON, for a script that draws it on a canvas; `agent.report.svg` draws the same."""

from __future__ import annotations

from evoarch.agent.report.svg import Chart


def lines_as_json(chart: Chart) -> dict[str, object]:
    """Title, names of the axes, and of each line its label, its kind (a class of the style sheet), whether it
    runs in steps, and its points in order of x.
    """
    return {
        "title": chart.title,
        "x": chart.x.label,
        "y": chart.y.label,
        "lines": [
            {
                "label": line.label,
                "kind": line.kind,
                "steps": line.steps,
                "points": [[x, y] for x, y in line.points],
            }
            for line in chart.lines
        ],
    }
