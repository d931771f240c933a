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

from evoarch import State, open_archive, run_campaign
from evoarch.agent.search.new_campaign import write_campaign
from evoarch.agent.statistics.noise import read_noise
from evoarch.evaluators.tasks import load_task
from evoarch.evaluators.zoo.catalogue import Family, load_catalogue
from evoarch.evaluators.zoo.fit import FitError, fit

TOP = Path(__file__).parents[1]
RESULTS = TOP / "results" / "zoo.json"
SIZES = (5_000, 20_000, 50_000)
TASKS = ("digits", "mnist1d")
"""The first one that a family takes is its task."""
CHILDREN = 2
"""Evaluations of children in each campaign."""
EVALUATION = {"repeats": 1, "race": 0, "wall_clock": 900.0, "workers": 1}
"""One training of each, and on a busy machine none fails for the time that others take."""


def campaign_of(family: Family, folder: Path) -> None:
    """Writes the family's campaign into `folder`, if there is none."""
    if (folder / "campaign.toml").exists():
        return
    for name in TASKS:
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


async def measure(campaigns: Path, only: list[str]) -> None:
    """Runs every family's campaign to its end, and takes its row in."""
    for family in load_catalogue().values():
        if only and family.name not in only:
            continue
        folder = campaigns / family.name
        campaign_of(family, folder)
        ending = await run_campaign(folder)
        row = row_of(family, folder)
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


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--campaigns", type=Path, help="where the campaigns are, or are to be")
    parser.add_argument("--only", default="", help="families, by commas")
    given = parser.parse_args()
    if given.campaigns:
        asyncio.run(measure(given.campaigns, [name for name in given.only.split(",") if name]))


if __name__ == "__main__":
    main()
