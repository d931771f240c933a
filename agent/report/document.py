"""The report of a campaign: one value with everything in it, written as HTML, Markdown or JSON."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from evoarch.agent.analysis.families import DrawnFamily, family_of
from evoarch.agent.analysis.overview import Overview, new_history, read_overview
from evoarch.agent.analysis.population import read_population
from evoarch.agent.analysis.sections import Fact, ranked, sections
from evoarch.agent.analysis.verdict import Judgement, judge
from evoarch.agent.base.formatting import cell, finalised
from evoarch.agent.base.versions import versions
from evoarch.agent.config.load import Config
from evoarch.agent.report.diff import Row, compare
from evoarch.agent.report.docstrings import StaleDocstring, marked_lines, stale_in
from evoarch.agent.report.figures import charts
from evoarch.agent.report.highlight import highlight
from evoarch.agent.report.interactive import scripts
from evoarch.agent.report.lineage import MOST, draw_tree, lay_out
from evoarch.agent.report.svg import Link, draw
from evoarch.agent.statistics.front import Placed
from evoarch.agent.statistics.noise import read_noise
from evoarch.archive.records import Candidate
from evoarch.archive.store import Store

MOST_SHOWN = 12
"""Bred candidates of the front whose code the report carries: those of the lowest first objective."""


@dataclass(frozen=True)
class Shown:
    """A candidate, what changed since the seed it comes from, and the verdict of the numbers."""

    candidate: Candidate
    root: int
    root_name: str
    line: Sequence[int]
    """First parents, from the seed to the candidate itself."""
    rows: Sequence[Row]
    stale: Sequence[StaleDocstring]
    """Docstrings that an ancestor wrote for other code."""
    judgement: Judgement | None


@dataclass(frozen=True)
class Report:
    """A campaign's overview, and what a document shows beside it.

    `config`: campaign.toml as it holds; `versions`: those of the run; `shown`: the elites whose code it has;
    `bred`: how many elites are no seeds; `points`: every scored candidate in the plane of the front's figure;
    `family`: the front's ancestors; `population`: what an interactive report draws, None for one without a
    script.
    """

    overview: Overview
    config: Mapping[str, object]
    versions: Mapping[str, str]
    shown: Sequence[Shown]
    bred: int
    points: Sequence[Placed]
    family: DrawnFamily
    population: Mapping[str, Any] | None = None

    @property
    def left_out(self) -> str:
        """Whose code is not here, in a sentence; "" where nobody's is left out."""
        if len(self.shown) >= self.bred:
            return ""
        first = self.overview.objectives[0]
        return (
            f"The code of {len(self.shown)} of the front's {self.bred} bred models follows, those of the "
            f"lowest {first}; `evoarch show` and `evoarch export` have that of the others."
        )

    def as_json(self) -> dict[str, object]:
        """Every number of the report, by the paths that its HTML names (`data-path`)."""
        return {
            "overview": self.overview.as_json(),
            "config": self.config,
            "versions": self.versions,
            "points": [{"id": i, "values": list(values), "seeds": seeds} for i, values, seeds in self.points],
            "candidates": {
                str(shown.candidate.id): {
                    "operator": shown.candidate.operator,
                    "parents": list(shown.candidate.parents),
                    "line": list(shown.line),
                    "metrics": dict(shown.candidate.metrics),
                    "seeds": shown.candidate.seeds,
                    "source": shown.candidate.source,
                    "source_digest": shown.candidate.source_digest,
                    "function_digest": shown.candidate.function_digest,
                    "comparisons": [c.as_json() for c in shown.judgement.comparisons]
                    if shown.judgement
                    else [],
                }
                for shown in self.shown
            },
        }


def read_report(store: Store, config: Config, *, interactive: bool = False) -> Report:
    """Reads the report from one snapshot of the archive; for an interactive one with the whole population."""
    with store.snapshot():
        history = new_history(store, config)
        overview = read_overview(store, config, history)
        elites = store.browse.some(overview.status.elites)
        order = ranked(overview)
        bred = [elite.id for elite in elites if elite.number is not None]
        chosen = sorted(bred, key=order.index)[:MOST_SHOWN]
        session = store.last_event_detail("session")
        known = session.get("versions")
        return Report(
            overview=overview,
            config=config.model_dump(mode="json"),
            versions=known if isinstance(known, Mapping) else versions(),
            shown=[_shown(store, config, identity, elites) for identity in chosen],
            bred=len(bred),
            points=store.browse.points(overview.plotted),
            family=family_of(store, None, order, most=MOST),
            population=read_population(store, overview, history.entered) if interactive else None,
        )


def _shown(store: Store, config: Config, identity: int, elites: Sequence[Candidate]) -> Shown:
    candidate = store.candidate(identity)
    line = [identity]
    ancestor = candidate
    while ancestor.parents:
        ancestor = store.candidate(ancestor.parents[0])
        line.append(ancestor.id)
    return Shown(
        candidate,
        ancestor.id,
        ancestor.name or f"#{ancestor.id}",
        line[::-1],
        compare(ancestor.source, candidate.source),
        stale_in(store, candidate),
        judge(store, config, candidate, elites, read_noise(store)),
    )


def figures(report: Report, link: Link = lambda _: None, *, alone: bool = False) -> dict[str, Markup]:
    """Every figure by name, as SVG. `alone`: each holds the style sheet, as a file of its own needs."""
    style = _style() if alone else ""
    overview = report.overview
    drawn = {chart.figure: draw(chart, link, style) for chart in charts(overview, report.points)}
    marked = frozenset(overview.status.elites)
    return {**drawn, "lineage": draw_tree(lay_out(report.family.members), link, marked, style)}


def as_html(report: Report) -> str:
    """The report as one HTML file that loads nothing: no font, no address, and a script only where the
    report has a population.
    """
    known = {shown.candidate.id for shown in report.shown}
    data = report.as_json()
    link = lambda identity: f"#candidate-{identity}" if identity in known else None  # noqa: E731
    parts = sections(report.overview)
    return (
        _environment(autoescape=True)
        .get_template("report.html.j2")
        .render(
            report=report,
            summary=parts[:2],
            details=parts[2:],
            style=Markup(_style()),
            scripts=scripts(report.population) if report.population else None,
            figures=figures(report, link),
            show=lambda fact: _shown_fact(fact, link),
            number=lambda path: _number(_at(data, path), path),
            highlight=lambda shown: highlight(shown.candidate.source, marked_lines(shown.stale)),
        )
    )


def _shown_fact(fact: Fact, link: Link) -> Markup:
    """A number with its place in `--json`, a candidate as a link where the report has it."""
    if fact.path:
        return _number(fact.value, fact.path)
    place = link(fact.candidate) if fact.candidate is not None else None
    if place:
        return Markup('<a href="{}">{}</a>').format(place, fact.text)
    return Markup('<strong class="unsafe">{}</strong>' if fact.warning else "{}").format(fact.text)


def _number(value: object, path: str) -> Markup:
    exact = repr(value) if isinstance(value, float) else value
    return Markup('<data value="{}" data-path="{}">{}</data>').format(exact, path, cell(value))


def as_markdown(report: Report, images: Mapping[str, str]) -> str:
    """The report in Markdown; `images`: the path of each figure's file, by the figure's name."""
    environment = _environment(autoescape=False)
    environment.filters |= {"fence": _fence, "entry": lambda text: text.replace("|", "\\|")}
    parts = sections(report.overview)
    return environment.get_template("report.md.j2").render(
        report=report, summary=parts[:2], details=parts[2:], images=images
    )


def _environment(*, autoescape: bool) -> Environment:
    environment = Environment(
        loader=PackageLoader("evoarch.agent.report"),
        autoescape=autoescape,
        undefined=StrictUndefined,
        finalize=finalised,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["cell"] = cell
    environment.filters["asdict"] = asdict
    return environment


def _style() -> str:
    return (resources.files("evoarch.agent.report") / "static" / "page.css").read_text(encoding="utf-8")


def _at(data: object, path: str) -> object:
    """What stands at a path of keys between slashes."""
    for part in path.split("/"):
        data = data[int(part)] if isinstance(data, list | tuple) else data[part]  # type: ignore[index]
    return data


def _fence(text: str, language: str = "python") -> str:
    """`text` as a code block that no backticks in it can end."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    ticks = "`" * max(3, longest + 1)
    return f"{ticks}{language}\n{text.rstrip()}\n{ticks}"
