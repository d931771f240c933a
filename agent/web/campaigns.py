"""The page of several campaigns: a row each, their curves on one axis, and what tests tell apart."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from evoarch.agent.base.formatting import cell, finalised
from evoarch.agent.compare.comparison import Comparison
from evoarch.agent.compare.curves import PRIMARY, Curve, Point
from evoarch.agent.compare.runs import Run
from evoarch.agent.compare.several import compare_campaigns, curve_of_run, runs_of
from evoarch.agent.config.load import Config
from evoarch.agent.config.recorded import settings_of
from evoarch.agent.report.curves import lines_as_json
from evoarch.agent.report.svg import Axis, Chart, Line, draw
from evoarch.agent.statistics.front import run_state
from evoarch.agent.web.waiting import UNDECIDED
from evoarch.archive.store import open_archive

COLOURS = 6
SPARK = (120.0, 24.0)
"""Width and height of a sparkline."""


@dataclass(frozen=True)
class CampaignRow:
    """A campaign in the list. `last`: its newest event; `spark`: the points of its sparkline, as SVG has
    them.
    """

    place: int
    name: str
    folder: str
    task: str
    arm: str
    seed: int
    state: str
    evaluations: int
    budget: int
    waiting: int
    curve: Curve
    last: int

    @property
    def reached(self) -> Point | None:
        """Where it stands by its last evaluation; None before the first score."""
        return self.curve.points[-1] if self.curve.points else None

    @property
    def spark(self) -> str:
        """The hypervolume over evaluations."""
        points = [(p.evaluations, p.hypervolume) for p in self.curve.points]
        if len(points) < 2:
            return ""
        width, height = SPARK
        (first, _), (end, _) = points[0], points[-1]
        low, high = min(v for _, v in points), max(v for _, v in points)
        return " ".join(
            f"{(x - first) / ((end - first) or 1) * width:.1f},"
            f"{height - 1 - (v - low) / ((high - low) or 1) * (height - 2):.1f}"
            for x, v in points
        )


class Campaigns:
    """Reads the list anew for every request; what a campaign adds up to is kept until its archive moves."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = list(folders)
        self._lock = threading.Lock()
        self._rows: dict[Path, CampaignRow] = {}
        self._compared: tuple[tuple[int, ...], Comparison | str] | None = None
        self._environment = Environment(
            loader=PackageLoader("evoarch.agent.web"),
            autoescape=True,
            undefined=StrictUndefined,
            finalize=finalised,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters["cell"] = cell

    def _read(self) -> tuple[list[CampaignRow], Mapping[Path, Config], list[Run]]:
        configs = {folder: settings_of(folder).config for folder in self._folders}
        runs = runs_of(configs)
        with self._lock:
            for place, run in enumerate(runs):
                self._rows[run.folder] = self._row(place, run, configs[run.folder])
            return [self._rows[folder] for folder in self._folders], configs, runs

    def _row(self, place: int, run: Run, config: Config) -> CampaignRow:
        with open_archive(run.folder, write=False) as store:
            event = store.last_event()
            last = event.id if event else 0
            known = self._rows.get(run.folder)
            return CampaignRow(
                place,
                config.campaign.name,
                str(run.folder),
                config.campaign.task,
                run.arm,
                run.seed,
                run_state(store)[0],
                store.totals.entered_training(),
                config.budget.evaluations,
                store.browse.count(UNDECIDED),
                known.curve if known and known.last == last else curve_of_run(run, config),
                last,
            )

    def events(self) -> Mapping[str, int]:
        """A number that grows with each event of any of them."""
        last = 0
        for folder in self._folders:
            with open_archive(folder, write=False) as store:
                event = store.last_event()
                last += event.id if event else 0
        return {"last": last}

    def page(self) -> str:
        """The list, the curves and the tests."""
        rows, configs, runs = self._read()
        seen = tuple(row.last for row in rows)
        with self._lock:
            if self._compared is None or self._compared[0] != seen:
                curves = {run.folder: row.curve for run, row in zip(runs, rows, strict=True)}
                self._compared = seen, compare_campaigns(runs, configs, curves)
            found = self._compared[1]
        shown = {"tables": [], "words": (), "why": found} if isinstance(found, str) else _tests(found)
        return self._environment.get_template("campaigns.html.j2").render(
            rows=rows,
            last=sum(seen),
            chart=draw(_chart(rows), lambda _: None),
            width=SPARK[0],
            height=SPARK[1],
            **shown,
        )

    def curves(self) -> dict[str, object]:
        """The hypervolume of each over its evaluations, as JSON has it."""
        return lines_as_json(_chart(self._read()[0]))


def _chart(rows: Sequence[CampaignRow]) -> Chart:
    arms = {arm: place for place, arm in enumerate(dict.fromkeys(row.arm for row in rows))}
    lines = [
        Line(
            [(float(p.evaluations), p.hypervolume) for p in row.curve.points],
            f"c{arms[row.arm] % COLOURS}",
            steps=True,
            label=f"{row.name}, seed {row.seed}",
        )
        for row in rows
        if row.curve.points
    ]
    xs = [x for line in lines for x, _ in line.points]
    ys = [y for line in lines for _, y in line.points]
    legend = [(f"line c{place % COLOURS}", arm) for arm, place in arms.items()]
    title = "Hypervolume over evaluations, by first seeds"
    return Chart(
        "campaigns",
        title,
        Axis.over("evaluations", [0.0, *xs]),
        Axis.over("hypervolume", ys),
        lines,
        legend=legend[:COLOURS],
    )


def _tests(found: Comparison) -> dict[str, object]:
    """Every arm's mean with its interval, and every pair's difference, in the primary measure."""
    tables = [
        (table, [(arm, table.summary(arm), len(table.values[arm])) for arm in found.arms])
        for table in found.tables
        if table.measure.name == PRIMARY
    ]
    return {"tables": tables, "words": found.words, "why": ""}
