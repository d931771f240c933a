"""The figures of a campaign, each from the numbers that `--json` prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from evoarch.agent.analysis.history import Step
from evoarch.agent.analysis.overview import Overview, thinned
from evoarch.agent.analysis.status import FrontPoint
from evoarch.agent.report.svg import Axis, Band, Chart, Dot, Line
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


DECADE = 10.0
"""A front whose errors differ by more than this factor is drawn on a logarithmic axis where nobody chose."""


def front_figure(
    overview: Overview,
    points: Sequence[Placed],
    *,
    log: bool | None = None,
    plotted: tuple[str, str] | None = None,
) -> Chart:
    """All scored candidates; front and seeds stand out, with the intervals of their errors.

    `plotted`: the metrics upwards and to the right, `overview.plotted` where none are named; `points`: their
    values. `log`: whether the axis of the error is logarithmic; sizes are.
    """
    y_name, x_name = plotted or overview.plotted
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
            span = (elite.interval.low, elite.interval.high) if elite.interval and y_name == "error" else None
            place = elite.metrics[x_name], elite.metrics[y_name]
            dots.append(Dot(*place, words(elite), kind.strip(), identity, span=span))
    placed = [e for e in overview.status.front if x_name in e.metrics and y_name in e.metrics]
    line = sorted((e.metrics[x_name], e.metrics[y_name]) for e in placed)
    # A front in other metrics is no staircase.
    stairs = len(overview.objectives) == 2 and {x_name, y_name} == {*overview.plotted}
    heights = [y for dot in dots for y in (dot.y, *(dot.span or ()))]
    lowest = min((y for y in heights if y > 0), default=1.0)
    if log is None:
        errors = [e.metrics[y_name] for e in placed if e.metrics[y_name] > 0]
        log = bool(errors) and max(errors) > DECADE * min(errors)
    sized = y_name in SIZES
    legend = [("dot front", "front"), ("dot seed", "seed"), ("dot other", "other scored")]
    legend += [("span front", "95%")] if any(dot.span for dot in dots) else []
    note = (
        "" if len(kept) == len(points) else f"{len(kept):,} of {len(points):,} scored are drawn, one a place."
    )
    return Chart(
        "front",
        f"Pareto front: {y_name} against {x_name}",
        Axis.over(x_name, [dot.x for dot in dots], log=x_name in SIZES),
        Axis.over(y_name, heights, log=sized or log, least=1.0 if sized else lowest),
        [Line(line, "front", steps=True, label="Pareto front")] if stairs else [],
        dots,
        legend=legend,
        note=note,
    )


def history_figure(overview: Overview, *, over: str, value: str) -> Chart:
    """A step curve of `value` (hypervolume or lowest_error) over `over` (evaluations or cpu_seconds), by
    means over training seeds; beside it, faint, by each first seed, as selection saw it.
    """
    names = {"cpu_seconds": "CPU seconds", "evaluations": "evaluations", "lowest_error": "lowest error"}
    end = float(overview.status.evaluations if over == "evaluations" else overview.status.cpu_s)

    def places(steps: Sequence[Step]) -> list[tuple[float, float]]:
        found = [(float(getattr(s, over)), float(getattr(s, value))) for s in steps]
        return [*found, (max(end, found[-1][0]), found[-1][1])] if found else []

    steps, title = overview.steps, names.get(value, value)
    line, first = places(steps), places(overview.first_steps)
    dots = [
        Dot(*place, f"#{step.candidate}: {title} {place[1]:.4f}", "step", step.candidate)
        for at, (step, place) in enumerate(zip(steps, line, strict=False))
        if value != "lowest_error" or at == 0 or step.lowest_error < steps[at - 1].lowest_error
    ]
    band = _band(steps, line) if value == "lowest_error" else []
    heights = [y for _, y in (*line, *first)] + [y for _, low, high in band for y in (low, high)]
    legend = [("line history", "means over training seeds"), ("line faint", "first seeds")]
    return Chart(
        f"{value}-{over}",
        f"{title.capitalize()} over {names[over]}",
        Axis.over(names[over], [0.0, *(x for x, _ in (*line, *first))]),
        Axis.over(title, heights),
        [
            Line(first, "faint", steps=True, label="first seeds"),
            Line(line, "history", steps=True, label="means"),
        ],
        dots,
        [Band(band, "history")] if band else [],
        legend + ([("band history", "95%")] if band else []),
    )


def _band(steps: Sequence[Step], line: Sequence[tuple[float, float]]) -> list[tuple[float, float, float]]:
    """The interval of who has the lowest error, as steps; [] where it is not known."""
    if not all(step.low is not None and step.high is not None for step in steps):
        return []
    found: list[tuple[float, float, float]] = []
    for step, (x, _), (end, _) in zip(steps, line, line[1:], strict=False):
        found += [(x, step.low or 0.0, step.high or 0.0), (end, step.low or 0.0, step.high or 0.0)]
    return found


def curves_figure(
    evaluations: Sequence[Evaluation], shares: Mapping[str, float], parent: Sequence[Evaluation] = ()
) -> Chart | None:
    """Training losses as the children reported them, which no score depends on: of each training seed, its
    rungs joined, and of the first seed of `parent`. None where nobody reported one.

    `shares`: by rung, the share of the training that ends with it. The axis is in steps where a rung has told
    its own.
    """
    total = _total([*evaluations, *parent], shares)
    seeds = sorted({e.seed for e in evaluations})
    lines = [(seed, _joined([e for e in evaluations if e.seed == seed], shares, total)) for seed in seeds]
    drawn = [
        Line(points, "curve" if seed == seeds[0] else "faint", label=f"training seed {seed}")
        for seed, points in lines
        if len(points) > 1
    ]
    if not drawn:
        return None
    legend = [("line curve", "first seed")] + [("line faint", "further seeds")] * (len(drawn) > 1)
    theirs = _joined([e for e in parent if e.seed == 0], shares, total)
    if len(theirs) > 1:
        drawn.insert(0, Line(theirs, "parent", label=f"parent #{parent[0].candidate}"))
        legend.append(("line parent", f"parent #{parent[0].candidate}"))
    every = [point for line in drawn for point in line.points]
    return Chart(
        "curves",
        "Training loss",
        Axis.over("training step" if total else "% of the training", [0.0, *(x for x, _ in every)]),
        Axis.over("training loss", [y for _, y in every]),
        drawn,
        legend=legend,
    )


def curves_together(groups: Sequence[Sequence[Evaluation]], shares: Mapping[str, float]) -> Chart | None:
    """The training losses of several candidates' first seeds on one axis; None where nobody reported one.

    `groups`: the evaluations of each. `shares`: as for `curves_figure`.
    """
    total = _total([e for group in groups for e in group], shares)
    lines, legend = [], []
    for place, group in enumerate(groups):
        points = _joined([e for e in group if e.seed == 0], shares, total)
        if len(points) > 1:
            lines.append(Line(points, f"c{place}", label=f"#{group[0].candidate}"))
            legend.append((f"line c{place}", f"#{group[0].candidate}"))
    if not lines:
        return None
    every = [point for line in lines for point in line.points]
    return Chart(
        "curves",
        "Training loss, first seeds",
        Axis.over("training step" if total else "% of the training", [0.0, *(x for x, _ in every)]),
        Axis.over("training loss", [y for _, y in every]),
        lines,
        legend=legend,
    )


def _total(evaluations: Sequence[Evaluation], shares: Mapping[str, float]) -> int | None:
    """The steps of a whole training, from what a rung tells of its own; None where none tells."""
    for evaluation in evaluations:
        steps = evaluation.detail.get("steps")
        if isinstance(steps, int) and shares.get(evaluation.rung):
            return round(steps / shares[evaluation.rung])
    return None


def _joined(
    evaluations: Sequence[Evaluation], shares: Mapping[str, float], total: int | None
) -> list[tuple[float, float]]:
    """(step or percent, loss) of one training, a rung after the other."""
    found: list[tuple[float, float]] = []
    began = 0.0
    for evaluation in sorted(evaluations, key=lambda e: shares.get(e.rung, 1.0)):
        curve = evaluation.detail.get("curve")
        end = shares.get(evaluation.rung, 1.0)
        if isinstance(curve, Sequence) and not isinstance(curve, str):
            values = [value for value in curve if isinstance(value, int | float)]
            width = (end - began) / max(1, len(values))
            found += [((began + width * (at + 1)) * (total or 100), value) for at, value in enumerate(values)]
            began = end
    return found
