"""What stands in results/: campaigns small enough for the repository, and how they were made.

results/<name>/about.json          arms with their planned runs, machine, versions; or of a confirmed campaign
results/<name>/campaign.toml       the configuration, with its seeds/, prompts/ and arms/ beside it
results/<name>/<arm>/seed-N.db.xz  the archive of each finished run of a comparison
results/<name>/archive.db.xz       the archive of a campaign that was confirmed, confirm.json beside it
results/<name>/candidate-ID.py     model files of what was confirmed
results/<name>/explain-ID.json     what `evoarch explain DIR ID --json` printed
results/peers.json                 what `python -m benchmarks.peers.run ... --json` wrote
"""

from __future__ import annotations

import json
import lzma
import os
import platform
import shutil
import sqlite3
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from evoarch.agent.base.errors import UserError, files_told
from evoarch.agent.base.versions import versions
from evoarch.agent.compare.arms import FOLDER as ARMS
from evoarch.agent.compare.arms import find
from evoarch.agent.compare.comparison import Comparison, compared
from evoarch.agent.compare.curves import Curve, read
from evoarch.agent.compare.runs import FOLDER, Run, configured, plan
from evoarch.agent.config.load import FILE, load, parse
from evoarch.agent.report.export import model_file
from evoarch.agent.search.campaign_files import copy_file, copy_files
from evoarch.agent.statistics.objectives import region_of
from evoarch.archive.schema import FILE as DATABASE
from evoarch.archive.store import open_archive

ABOUT = "about.json"
CONFIRMED = "confirm.json"


def take_comparison(folder: Path, target: Path, arms: Mapping[str, int]) -> int:
    """Packs the finished runs of `folder`'s comparison; what earlier sittings brought stays. How many.

    Raises UserError, with nothing written, where there is none, and for runs of more than one budget.
    """
    found = {arm: find(folder, arm)[0] for arm in arms}
    places = sorted((folder / FOLDER).glob("*/seed-*"))
    runs = [Run(path.parent.name, int(path.name.removeprefix("seed-")), path) for path in places]
    runs = [run for run in runs if run.arm in arms and run.finished()]
    if not runs:
        asked = ", ".join(arms)
        raise UserError(f"{folder / FOLDER}: no run of {asked} is finished yet; nothing to take in", code=1)
    budget = {"evaluations": _evaluations(runs, target), "given": _given(folder, runs)}
    for run in runs:
        pack(run.folder / DATABASE, target / run.arm / f"{run.folder.name}.db.xz")
    for arm in arms:
        copy_files(folder, target, parse(configured(folder, Run(arm, 0, target)), f"arm {arm}"))
        if (own := folder / ARMS / f"{arm}.toml").is_file():
            copy_file(own, target / ARMS / own.name)
    _about(folder, target, {**budget, "planned": dict(arms), "arms": found})
    return len(runs)


def _evaluations(runs: Sequence[Run], target: Path) -> int:
    """What every run had, and those that were taken in before."""
    found = {load(run.folder).budget.evaluations for run in runs}
    if (target / ABOUT).exists():
        found.add(json.loads((target / ABOUT).read_text(encoding="utf-8"))["evaluations"])
    if len(found) > 1:
        budgets = " and ".join(str(count) for count in sorted(found))
        raise UserError(f"{target}: expected runs of one budget, got {budgets} evaluations", code=1)
    return int(found.pop())


def _given(folder: Path, runs: Sequence[Run]) -> int:
    """What `compare --evaluations` was for these runs; 0 where their arms' own budget is what they had."""
    for run in runs:
        had = load(run.folder).budget.evaluations
        if parse(configured(folder, run), f"arm {run.arm}").budget.evaluations != had:
            return had
    return 0


def take_confirmed(folder: Path, target: Path, rows: Path) -> None:
    """Packs a confirmed campaign; `rows` is what `evoarch confirm DIR --show --json` printed."""
    pack(folder / DATABASE, target / f"{DATABASE}.xz")
    copy_file(rows, target / CONFIRMED)
    store, config = open_archive(folder, write=False), load(folder)
    for row in confirmed_rows(rows):
        if not row["baseline"]:
            text = model_file(store, config, store.candidate(row["id"]))
            (target / f"candidate-{row['id']}.py").write_text(text, encoding="utf-8")
    _about(folder, target, {})


def confirmed_rows(path: Path) -> list[dict[str, Any]]:
    """What `evoarch confirm --show --json` printed into a file: a bare list before it had a version."""
    found = json.loads(path.read_text(encoding="utf-8"))
    rows: list[dict[str, Any]] = found["rows"] if isinstance(found, dict) else found
    return rows


def codes(kept: Path) -> dict[int, str]:
    """The model files of what was bred and confirmed, by candidate."""
    found = {int(path.stem.removeprefix("candidate-")): path for path in kept.glob("candidate-*.py")}
    return {identity: found[identity].read_text(encoding="utf-8") for identity in sorted(found)}


def restore(kept: Path, folder: Path) -> int:
    """A comparison as it was taken in, in a new folder, where `evoarch compare` goes on. How many runs.

    Raises UserError.
    """
    with files_told(kept):
        about = json.loads((kept / ABOUT).read_text(encoding="utf-8"))
    if "planned" not in about:
        raise UserError(f"{kept}: a confirmed campaign; expected a comparison")
    with files_told(folder):
        shutil.copytree(kept, folder, ignore=shutil.ignore_patterns(ABOUT, *about["arms"]))
    packed = sorted(kept.glob("*/seed-*.db.xz"))
    for path in packed:
        unpack(path, folder / FOLDER / path.parent.name / path.name.removesuffix(".db.xz"))
    # With their configurations beside them runs of another budget can't be put to them.
    plan(folder, about["planned"], given(about))
    return len(packed)


def asked(about: Mapping[str, object]) -> str:
    """The options of `compare` that a kept comparison goes on with."""
    planned = about["planned"]
    assert isinstance(planned, dict)
    arms = ",".join(f"{arm}:{count}" for arm, count in planned.items())
    return f"--arms {arms}" + (f" --evaluations {count}" if (count := given(about)) else "")


def given(about: Mapping[str, object]) -> int:
    """What `--evaluations` was, 0 where it wasn't given; what was kept before this was asked had none."""
    return int(str(about.get("given", 0)))


def _about(folder: Path, target: Path, more: Mapping[str, object]) -> None:
    config = load(folder)
    copy_file(folder / FILE, target / FILE)
    copy_files(folder, target, config)
    about = {
        "task": config.campaign.task,
        "recipe": config.evaluation.recipe,
        "evaluations": config.budget.evaluations,
        "seed": config.campaign.seed,
        "machine": machine(),
        "versions": versions(),
        **more,
    }
    (target / ABOUT).write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")


def pack(archive: Path, target: Path) -> None:
    """One archive as of one moment, without its free pages, compressed."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        whole = Path(scratch) / DATABASE
        with closing(sqlite3.connect(f"{archive.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            connection.execute("VACUUM INTO ?", (str(whole),))
        target.write_bytes(lzma.compress(whole.read_bytes(), preset=9))


def unpack(packed: Path, folder: Path) -> Path:
    """The archive back as a folder that the archive's readers open."""
    folder.mkdir(parents=True)
    (folder / DATABASE).write_bytes(lzma.decompress(packed.read_bytes()))
    return folder


def curves(kept: Path) -> list[Curve]:
    """The curves of a kept comparison, read from its archives."""
    found = []
    region = region_of(load(kept).selection)
    with tempfile.TemporaryDirectory() as scratch:
        for path in sorted(kept.glob("*/seed-*.db.xz")):
            arm, seed = path.parent.name, int(path.name.removeprefix("seed-").removesuffix(".db.xz"))
            found.append(read(Run(arm, seed, unpack(path, Path(scratch) / arm / str(seed))), region))
    return sorted(found, key=lambda curve: (curve.arm, curve.seed))


def comparison(about: Mapping[str, object], found: list[Curve], kept: Path) -> Comparison:
    """A kept comparison, with what is planned and not there yet."""
    planned, arms = about["planned"], about["arms"]
    assert isinstance(planned, dict)
    assert isinstance(arms, dict)
    missing = {arm: count - sum(curve.arm == arm for curve in found) for arm, count in planned.items()}
    region = region_of(load(kept).selection)
    return compared(arms, found, missing, task=str(about["task"]), region=region)


def machine() -> str:
    """This machine in a line, as far as it says."""
    info = Path("/proc/cpuinfo")
    names = (
        [line for line in info.read_text().splitlines() if line.startswith("model name")]
        if info.exists()
        else []
    )
    name = names[0].partition(":")[2].strip() if names else platform.processor() or "unknown processor"
    return f"{len(os.sched_getaffinity(0))} cores ({name})"
