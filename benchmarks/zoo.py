"""Does every family of the zoo learn at small sizes, and do operators make children of it that are scored?

    python -m benchmarks.zoo --campaigns DIR [--only NAME,NAME]   # about a minute a family
    python -m benchmarks.zoo                                      # docs/zoo.md and its picture again

A campaign a family: its seeds are the family at about 5,000, 20,000 and 50,000 parameters, its operators the
syntactic ones. Families that take images are on `digits`, those of sequences alone on `mnist1d`, all by the
recipe `fast`, one training each. Resumable: a finished campaign is not run again. What was found is kept in
results/zoo.json.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomlkit

from evoarch import Ending, State, open_archive, run_campaign
from evoarch.agent.report.svg import Axis, Chart, Dot, Line, draw
from evoarch.agent.search.new_campaign import write_campaign
from evoarch.agent.statistics.noise import read_noise
from evoarch.evaluators.tasks import load_task
from evoarch.evaluators.zoo.catalogue import Family, load_catalogue
from evoarch.evaluators.zoo.fit import FitError, fit
from evoarch.evaluators.zoo.page import page

TOP = Path(__file__).parents[1]
PAGE, PICTURE = TOP / "docs" / "zoo.md", TOP / "docs" / "img" / "zoo.svg"
STYLE = (
    "svg.chart { font: 11px system-ui, sans-serif; max-width: 640px; } .grid { stroke: #e5e7eb; } "
    ".tick, .label { fill: #374151; } .line { fill: none; opacity: 0.3; } "
    ".digits { stroke: #2563eb; fill: #2563eb; } .mnist1d { stroke: #b45309; fill: #b45309; } "
    ".line.digits, .line.mnist1d { fill: none; }"
)
"""Families on `digits` in blue, those on `mnist1d` in brown."""
RESULTS = TOP / "results" / "zoo.json"
SIZES = (5_000, 20_000, 50_000)
TASKS = ("digits", "mnist1d")
"""The first one that a family takes is its task."""
LINES = ("meshgraphnet",)
"""Families that are measured on `mnist1d` although they take images: a graph of 64 pixels without places
did not learn digits in 400 steps (error 0.76 to 0.92)."""
CEILING = 0.85
"""The error above which a candidate fails its constraint here: asked is to be better than chance, 0.9."""
CHILDREN, MOST = 2, 8
"""Evaluations of children in each campaign; as many again, up to the second number, while none was scored."""
EVALUATION = {"repeats": 1, "race": 0, "wall_clock": 7200.0, "workers": 1}
"""One training of each, and on a busy machine none fails for the time that others take."""


def campaign_of(family: Family, folder: Path) -> None:
    """Writes the family's campaign into `folder`, if there is none."""
    if (folder / "campaign.toml").exists():
        return
    for name in reversed(TASKS) if family.name in LINES else TASKS:
        task = load_task(name)
        try:
            fitted = {f"{family.name}_{size // 1000}k": fit(family, task.offers, size) for size in SIZES}
        except FitError as error:
            print(error)
            continue
        seeds = {stem: each.source for stem, each in fitted.items()}
        write_campaign(folder, task, name=family.name, seed=0, evaluations=CHILDREN, lm="none", seeds=seeds)
        config = folder / "campaign.toml"
        tables = tomllib.loads(config.read_text(encoding="utf-8"))
        tables["evaluation"] |= EVALUATION
        tables.setdefault("constraints", {})["error"] = CEILING
        tables["operators"] = [table for table in tables["operators"] if table["name"] != "random"]
        config.write_text(tomlkit.dumps(tables), encoding="utf-8")
        return


def row_of(family: Family, folder: Path) -> dict[str, Any]:
    """What the family's campaign found: its seeds, and its children by operator."""
    task = tomllib.loads((folder / "campaign.toml").read_text(encoding="utf-8"))["campaign"]["task"]
    with open_archive(folder) as store:
        noise, candidates = read_noise(store), store.candidates(sources=False)
        failures = {
            each.name: str(store.relatives.last_failure(each.id))
            for each in candidates
            if each.operator == "seed" and each.state is not State.SCORED
        }
    seeds, children = [], dict[str, list[float]]()
    for each in candidates:
        if each.state is not State.SCORED:
            continue
        error, params = each.metrics["error"], int(each.metrics["params"])
        if each.operator == "seed":
            interval = noise.interval(error, each.seeds)
            assert interval is not None
            seeds.append([params, *(round(value, 4) for value in (error, interval.low, interval.high))])
        else:
            children.setdefault(each.operator, []).append(round(error, 4))
    return {"task": task, "seeds": sorted(seeds), "children": children, "failed": failures}


async def measured(family: Family, folder: Path) -> tuple[Ending, Mapping[str, Any]]:
    """Runs the family's campaign in `folder` until children were scored; its last ending, and its row."""
    campaign_of(family, folder)
    for evaluations in range(CHILDREN, MOST + 1, CHILDREN):
        ending = await run_campaign(folder, [f"budget.evaluations={evaluations}"])
        row = row_of(family, folder)
        if row["children"] or not ending.complete:
            break
    return ending, row


async def measure(campaigns: Path, only: list[str]) -> None:
    """Runs every family's campaign to its end, and takes its row in."""
    for family in load_catalogue().values():
        if only and family.name not in only:
            continue
        ending, row = await measured(family, campaigns / family.name)
        print(f"{family.name}: {ending.reason}: {json.dumps(row)}", flush=True)
        rows = kept()
        RESULTS.write_text(
            json.dumps(dict(sorted({**rows, family.name: row}.items())), indent=1) + "\n", encoding="utf-8"
        )


def kept() -> Mapping[str, Mapping[str, Any]]:
    """The rows of results/zoo.json by family; none where the file is not there."""
    rows: Mapping[str, Mapping[str, Any]] = (
        json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    )
    return rows


def picture(rows: Mapping[str, Mapping[str, Any]]) -> str:
    """Parameters against error of every scored seed, as an SVG file; a line joins a family's sizes."""
    dots, lines = list[Dot](), list[Line]()
    for name, row in rows.items():
        points = [(float(params), float(error)) for params, error, _, _ in row["seeds"]]
        lines.append(Line(points, row["task"], label=name))
        dots += [Dot(x, y, f"{name}: {x:,.0f} parameters, error {y:.3f}", row["task"]) for x, y in points]
    x = Axis.over("parameters", [dot.x for dot in dots], log=True)
    y = Axis.over("validation error", [dot.y for dot in dots])
    chart = Chart("zoo", "Families of the zoo: parameters against error", x, y, lines, dots)
    return str(draw(chart, style=STYLE)) + "\n"


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--campaigns", type=Path, help="where the campaigns are, or are to be")
    parser.add_argument("--only", default="", help="families, by commas")
    given = parser.parse_args()
    if given.campaigns:
        asyncio.run(measure(given.campaigns, [name for name in given.only.split(",") if name]))
    PAGE.write_text(page(load_catalogue().values(), kept()), encoding="utf-8")
    PICTURE.write_text(picture(kept()), encoding="utf-8")


if __name__ == "__main__":
    main()
