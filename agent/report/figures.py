"""The figures of a campaign, each from the numbers that `--json` prints."""

from __future__ import annotations

from collections.abc import Sequence

from evoarch.agent.analysis.overview import Overview, thinned
from evoarch.agent.analysis.status import FrontPoint
from evoarch.agent.report.svg import Axis, Chart, Dot, Line
from evoarch.agent.statistics.front import Placed
from evoarch.agent.statistics.objectives import SIZES
from evoarch.archive.records import Evaluation


def words(elite: FrontPoint) -> str:
    """A point of the front, or a seed, in one line."""
    span = f" ({elite.interval.low:.3f} to {elite.interval.high:.3f})" if elite.interval else ""
    size = f", {elite.params:,.0f} parameters" if elite.params is not None else ""
    error = f": error {elite.error:.4f}{span}" if elite.error is not None else ""
    name = elite.name if elite.operator == "seed" else elite.operator
    return f"#{elite.id} {name}{error}{size}"


def charts(overview: Overview, points: Sequence[Placed]) -> list[Chart]:
    """The charts of an overview, in order: the front, and the history of what was reached."""
    return [
        front_figure(overview, points),
        history_figure(overview, over="evaluations", value="hypervolume"),
        history_figure(overview, over="cpu_seconds", value="hypervolume"),
        history_figure(overview, over="evaluations", value="lowest_error"),
    ]


def front_figure(overview: Overview, points: Sequence[Placed]) -> Chart:
    """All scored candidates; front and seeds stand out. `points`: their values of `overview.plotted`."""
    y_name, x_name = overview.plotted
    elites = {elite.id: elite for elite in (*overview.status.seeds, *overview.status.front)}
    on_front = {elite.id for elite in overview.status.front}
    kept = thinned(points, frozenset(elites), log=(y_name in SIZES, x_name in SIZES))
    dots = [
        Dot(
            values[1],
            values[0],
            f"#{identity}: {y_name} {values[0]:.4f}, {x_name} {values[1]:,.0f}",
            "other",
            identity,
            False,
        )
        for identity, values, _ in kept
        if identity not in elites
    ]
    for identity, elite in elites.items():
        if y_name in elite.metrics and x_name in elite.metrics:
            kind = ("seed " if elite.operator == "seed" else "") + ("front" if identity in on_front else "")
            dots.append(Dot(elite.metrics[x_name], elite.metrics[y_name], words(elite), kind, identity))
    line = sorted((e.metrics[x_name], e.metrics[y_name]) for e in overview.status.front)
    return Chart(
        "front",
        f"Pareto front: {y_name} against {x_name}",
        Axis.over(x_name, [dot.x for dot in dots], log=x_name in SIZES),
        Axis.over(y_name, [dot.y for dot in dots], log=y_name in SIZES),
        [Line(line, "front", steps=True, label="Pareto front")] if len(overview.objectives) == 2 else [],
        dots,
    )


def history_figure(overview: Overview, *, over: str, value: str) -> Chart:
    """A step curve of `value` (hypervolume or lowest_error) over `over` (evaluations or cpu_seconds)."""
    names = {"cpu_seconds": "CPU seconds", "evaluations": "evaluations", "lowest_error": "lowest error"}
    steps = overview.steps
    places = [(float(getattr(s, over)), float(getattr(s, value))) for s in steps]
    if value == "lowest_error":
        improved = [i for i, s in enumerate(steps) if i == 0 or s.lowest_error < steps[i - 1].lowest_error]
    else:
        improved = list(range(len(steps)))
    dots = [
        Dot(
            *places[i],
            f"#{steps[i].candidate}: {names.get(value, value)} {places[i][1]:.4f}",
            "step",
            steps[i].candidate,
        )
        for i in improved
    ]
    end = float(overview.status.evaluations if over == "evaluations" else overview.status.cpu_s)
    line = [*places, (max(end, places[-1][0]), places[-1][1])] if places else []
    return Chart(
        f"{value}-{over}",
        f"{names.get(value, value).capitalize()} over {names[over]}",
        Axis.over(names[over], [0.0, *(x for x, _ in line)]),
        Axis.over(names.get(value, value), [y for _, y in line]),
        [Line(line, "history", steps=True)],
        dots,
    )


def curve_figure(evaluation: Evaluation) -> Chart | None:
    """The training loss as the child reported it, which no score depends on; None where it reported none."""
    curve = evaluation.detail.get("curve")
    if not isinstance(curve, Sequence) or isinstance(curve, str):
        return None
    points = [(float(place), value) for place, value in enumerate(curve, 1) if isinstance(value, int | float)]
    if len(points) < 2:
        return None
    title = f"Training loss, {evaluation.rung}, training seed {evaluation.seed}"
    return Chart(
        f"curve-{evaluation.rung}-{evaluation.seed}",
        title,
        Axis.over("point", [x for x, _ in points]),
        Axis.over("training loss", [y for _, y in points]),
        [Line(points, "curve", label=title)],
    )
