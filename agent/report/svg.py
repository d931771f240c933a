"""Charts as inline SVG: axes, points that are links, steps and curves. Colours come from the style sheet."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from markupsafe import Markup, escape

WIDTH, HEIGHT = 460, 300
LEFT, RIGHT, TOP, BOTTOM = 58, 14, 12, 44
Link = Callable[[int], str | None]


@dataclass(frozen=True)
class Axis:
    """A scale from `low` to `high`, both inside the picture; `log` counts in decades."""

    label: str
    low: float
    high: float
    log: bool = False

    @classmethod
    def over(cls, label: str, values: Sequence[float], *, log: bool = False) -> Axis:
        """An axis with a little room around `values`; one of an empty or flat range is widened."""
        used = [max(value, 1.0) if log else value for value in values] or [1.0]
        low, high = min(used), max(used)
        if log:
            return cls(label, low / 1.3, high * 1.3, True)
        room = (high - low) * 0.06 or abs(high) * 0.1 or 1.0
        return cls(label, max(0.0, low - room) if low >= 0 else low - room, high + room)

    def share(self, value: float) -> float:
        """Where `value` lies between low (0) and high (1)."""
        if self.log:
            low, high = math.log10(self.low), math.log10(self.high)
            return (math.log10(max(value, 1.0)) - low) / (high - low)
        return (value - self.low) / (self.high - self.low)

    def ticks(self) -> list[float]:
        """About five round numbers inside the axis; powers of ten on a log axis where there are three."""
        if self.log:
            steps = [m * 10**e for e in range(math.floor(math.log10(self.low)), 16) for m in (1, 2, 5)]
            inside = [step for step in steps if self.low <= step <= self.high]
            tens = [step for step in inside if math.log10(step).is_integer()]
            return [float(step) for step in (tens if len(tens) >= 3 else inside)]
        raw = (self.high - self.low) / 5
        size = 10 ** math.floor(math.log10(raw))
        step = next(m * size for m in (1, 2, 5, 10) if m * size >= raw)
        first = math.ceil(self.low / step)
        return [i * step for i in range(first, math.floor(self.high / step) + 1)]


@dataclass(frozen=True)
class Dot:
    """A point at (`x`, `y`), in the axes' units, with its text.

    `kind`: classes of the style sheet. `candidate`: whose page it links to. `focus`: whether the keyboard
    reaches it.
    """

    x: float
    y: float
    label: str
    kind: str
    candidate: int | None = None
    focus: bool = True


@dataclass(frozen=True)
class Line:
    """A line through points, as steps or straight."""

    points: Sequence[tuple[float, float]]
    kind: str
    steps: bool = False
    label: str = ""


@dataclass(frozen=True)
class Band:
    """The area between two lines: (x, low, high) in order of x."""

    points: Sequence[tuple[float, float, float]]
    kind: str


@dataclass(frozen=True)
class Chart:
    """A figure: what it is called and what is in it. `figure` names it in the page and in exported files."""

    figure: str
    title: str
    x: Axis
    y: Axis
    lines: Sequence[Line] = field(default_factory=tuple)
    dots: Sequence[Dot] = field(default_factory=tuple)
    bands: Sequence[Band] = field(default_factory=tuple)


def draw(chart: Chart, link: Link = lambda _: None, style: str = "") -> Markup:
    """The chart as one `svg` element. `style`: a style sheet to carry along, for a file of its own."""
    head = Markup(
        '<svg xmlns="http://www.w3.org/2000/svg" class="chart" viewBox="0 0 {w} {h}" role="group" '
        'aria-label="{title}" data-chart="{figure}">'
    ).format(w=WIDTH, h=HEIGHT, title=chart.title, figure=chart.figure)
    # The only text that is not escaped: this project's own style sheet.
    own = Markup("<style>") + Markup(style) + Markup("</style>") if style else Markup("")
    parts = [head, own, Markup("<title>{}</title>").format(chart.title), _frame(chart)]
    parts += [_band(chart, band) for band in chart.bands]
    parts += [_line(chart, line) for line in chart.lines]
    parts += [_dot(chart, dot, link) for dot in chart.dots]
    return Markup("").join([*parts, Markup("</svg>")])


def _x(chart: Chart, value: float) -> float:
    return round(LEFT + chart.x.share(value) * (WIDTH - LEFT - RIGHT), 2)


def _y(chart: Chart, value: float) -> float:
    return round(HEIGHT - BOTTOM - chart.y.share(value) * (HEIGHT - TOP - BOTTOM), 2)


def _frame(chart: Chart) -> Markup:
    out = []
    bottom = HEIGHT - BOTTOM
    for tick in chart.x.ticks():
        x = _x(chart, tick)
        out.append(Markup('<line class="grid" x1="{0}" x2="{0}" y1="{1}" y2="{2}"/>').format(x, TOP, bottom))
        out.append(
            Markup('<text class="tick" x="{}" y="{}" text-anchor="middle">{}</text>').format(
                x, bottom + 16, short(tick)
            )
        )
    for tick in chart.y.ticks():
        y = _y(chart, tick)
        out.append(
            Markup('<line class="grid" x1="{0}" x2="{1}" y1="{2}" y2="{2}"/>').format(LEFT, WIDTH - RIGHT, y)
        )
        out.append(
            Markup('<text class="tick" x="{}" y="{}" text-anchor="end">{}</text>').format(
                LEFT - 6, y + 4, short(tick)
            )
        )
    out.append(
        Markup('<text class="label" x="{}" y="{}" text-anchor="middle">{}</text>').format(
            (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8, chart.x.label
        )
    )
    middle = (TOP + bottom) / 2
    out.append(
        Markup(
            '<text class="label" x="14" y="{0}" text-anchor="middle" '
            'transform="rotate(-90 14 {0})">{1}</text>'
        ).format(middle, chart.y.label)
    )
    return Markup("").join(out)


def _line(chart: Chart, line: Line) -> Markup:
    if not line.points:
        return Markup("")
    places = [(_x(chart, x), _y(chart, y)) for x, y in line.points]
    path = f"M{places[0][0]} {places[0][1]}"
    for (_, _), (x, y) in pairwise(places):
        path += f"H{x}V{y}" if line.steps else f"L{x} {y}"
    return Markup('<path class="line {}" d="{}"><title>{}</title></path>').format(line.kind, path, line.label)


def _band(chart: Chart, band: Band) -> Markup:
    there = [(x, high) for x, _, high in band.points]
    back = [(x, low) for x, low, _ in reversed(band.points)]
    places = " ".join(f"{_x(chart, x)},{_y(chart, y)}" for x, y in [*there, *back])
    return Markup('<polygon class="band {}" points="{}"/>').format(band.kind, places)


def _dot(chart: Chart, dot: Dot, link: Link) -> Markup:
    """Put together by hand, since there may be two thousand; all text in it is escaped or a number."""
    label = escape(dot.label)
    x, y, radius = _x(chart, dot.x), _y(chart, dot.y), 3 if dot.kind == "other" else 5
    # repr: the shortest text that is this number again, so that a reader of the file can check it.
    data = f' data-candidate="{dot.candidate}" data-x="{dot.x!r}" data-y="{dot.y!r}"'
    circle = f'<circle class="dot {escape(dot.kind)}" cx="{x}" cy="{y}" r="{radius}"{data}'
    target = link(dot.candidate) if dot.candidate is not None else None
    if target is None:
        return Markup(f"{circle}><title>{label}</title></circle>")
    off = "" if dot.focus else ' tabindex="-1"'
    return Markup(f'<a href="{escape(target)}" aria-label="{label}"{off}>{circle}/></a>')


def short(value: float) -> str:
    """A tick's number: 12k, 1.5M, 0.25."""
    for size, suffix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:g}{suffix}"
    return str(escape(f"{value:g}"))
