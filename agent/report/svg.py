"""Charts as inline SVG: axes, points that are links, steps and curves. Colours come from the style sheet."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from markupsafe import Markup, escape

WIDTH, HEIGHT = 460, 300
LEFT, RIGHT, TOP, BOTTOM = 58, 14, 30, 44
Link = Callable[[int], str | None]


@dataclass(frozen=True)
class Axis:
    """A scale from `low` to `high`, both inside the picture; `log` counts in decades, all below `least` as
    `least`.
    """

    label: str
    low: float
    high: float
    log: bool = False
    least: float = 1.0

    @classmethod
    def over(cls, label: str, values: Sequence[float], *, log: bool = False, least: float = 1.0) -> Axis:
        """An axis with a little room around `values`; one of an empty or flat range is widened."""
        used = [max(value, least) if log else value for value in values] or [1.0]
        low, high = min(used), max(used)
        if log:
            return cls(label, low / 1.3, high * 1.3, True, least)
        room = (high - low) * 0.06 or abs(high) * 0.1 or 1.0
        return cls(label, max(0.0, low - room) if low >= 0 else low - room, high + room)

    def share(self, value: float) -> float:
        """Where `value` lies between low (0) and high (1)."""
        if self.log:
            low, high = math.log10(self.low), math.log10(self.high)
            return (math.log10(max(value, self.least)) - low) / (high - low)
        return (value - self.low) / (self.high - self.low)

    def ticks(self) -> list[float]:
        """About five round numbers inside the axis, two at least: of a log axis powers of ten where there are
        three, else 1, 2 and 5 of each, else as many as a linear one has.
        """
        if self.log:
            steps = [m * 10**e for e in range(math.floor(math.log10(self.low)), 16) for m in (1, 2, 5)]
            inside = [step for step in steps if self.low <= step <= self.high]
            tens = [step for step in inside if math.isclose(math.log10(step), round(math.log10(step)))]
            if len(inside) >= 3:
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
    reaches it. `span`: the interval of `y`, drawn as a bar.
    """

    x: float
    y: float
    label: str
    kind: str
    candidate: int | None = None
    focus: bool = True
    span: tuple[float, float] | None = None


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
    """A figure: what it is called and what is in it. `figure` names it in the page and in exported files.

    `legend`: (the classes of a dot, a line or a band, what it stands for). `note`: what a reader should know
    of it.
    """

    figure: str
    title: str
    x: Axis
    y: Axis
    lines: Sequence[Line] = field(default_factory=tuple)
    dots: Sequence[Dot] = field(default_factory=tuple)
    bands: Sequence[Band] = field(default_factory=tuple)
    legend: Sequence[tuple[str, str]] = ()
    note: str = ""


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
    parts += [_span(chart, dot) for dot in chart.dots if dot.span]
    parts += [_dot(chart, dot, link) for dot in chart.dots]
    parts.append(_legend(chart))
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


def _span(chart: Chart, dot: Dot) -> Markup:
    low, high = dot.span or (dot.y, dot.y)
    kept = (max(chart.y.low, min(chart.y.high, end)) for end in (low, high))
    y1, y2 = (_y(chart, end) for end in kept)
    return Markup('<line class="span {}" x1="{x}" x2="{x}" y1="{}" y2="{}"/>').format(
        dot.kind, y1, y2, x=_x(chart, dot.x)
    )


def _legend(chart: Chart) -> Markup:
    """One row above the frame: each sign and what it stands for."""
    out, x = [], float(LEFT)
    for sign, words in chart.legend:
        what, _, kind = sign.partition(" ")
        if what == "dot":
            out.append(Markup('<circle class="dot {}" cx="{}" cy="{}" r="4"/>').format(kind, x + 6, TOP - 14))
        else:
            shape = "v-4h12v8h-12z" if what == "band" else "h12"
            out.append(Markup('<path class="{}" d="M{} {}{}"/>').format(sign, x, TOP - 14, shape))
        out.append(Markup('<text class="tick" x="{}" y="{}">{}</text>').format(x + 16, TOP - 10, words))
        x += 28 + 6.2 * len(words)
    return Markup("").join(out)


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
