"""What stands in results/: campaigns small enough for the repository, and how they were made.

results/<name>/about.json          arms with their planned runs, machine, versions; or of a confirmed campaign
results/<name>/campaign.toml       the configuration, with its seeds/ beside it
results/<name>/<arm>/seed-N.db.xz  the archive of each finished run of a comparison
results/<name>/archive.db.xz       the archive of a campaign that was confirmed, confirm.json beside it
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
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from agent.compare.arms import find
from agent.compare.comparison import Comparison, compared
from agent.compare.curves import Curve, read
from agent.compare.runs import FOLDER, Run
from agent.config import FILE, load
from agent.report.versions import versions
from archive.schema import FILE as DATABASE

ABOUT = "about.json"
CONFIRMED = "confirm.json"


def take_comparison(folder: Path, target: Path, arms: Mapping[str, int]) -> int:
    """Packs the finished runs of `folder`'s comparison; what earlier sittings brought stays. How many."""
    taken = 0
    for path in sorted((folder / FOLDER).glob("*/seed-*")):
        run = Run(path.parent.name, int(path.name.removeprefix("seed-")), path)
        if run.arm in arms and run.finished():
            pack(path / DATABASE, target / run.arm / f"{path.name}.db.xz")
            taken += 1
    found = {arm: find(folder, arm)[0] for arm in arms}
    _about(folder, target, {"planned": dict(arms), "arms": found})
    return taken


def take_confirmed(folder: Path, target: Path, rows: Path) -> None:
    """Packs a confirmed campaign; `rows` is what `evoarch confirm DIR --show --json` printed."""
    pack(folder / DATABASE, target / f"{DATABASE}.xz")
    shutil.copyfile(rows, target / CONFIRMED)
    _about(folder, target, {})


def restore(kept: Path, folder: Path) -> int:
    """A comparison as it was taken in, in a new folder, where `evoarch compare` goes on. How many runs."""
    arms = json.loads((kept / ABOUT).read_text(encoding="utf-8"))["arms"]
    shutil.copytree(kept, folder, ignore=shutil.ignore_patterns(ABOUT, *arms))
    packed = sorted(kept.glob("*/seed-*.db.xz"))
    for path in packed:
        unpack(path, folder / FOLDER / path.parent.name / path.name.removesuffix(".db.xz"))
    return len(packed)


def _about(folder: Path, target: Path, more: Mapping[str, object]) -> None:
    config = load(folder)
    shutil.copyfile(folder / FILE, target / FILE)
    for file in config.seeds.files:
        (target / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(folder / file, target / file)
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
    with tempfile.TemporaryDirectory() as scratch:
        for path in sorted(kept.glob("*/seed-*.db.xz")):
            arm, seed = path.parent.name, int(path.name.removeprefix("seed-").removesuffix(".db.xz"))
            found.append(read(Run(arm, seed, unpack(path, Path(scratch) / arm / str(seed)))))
    return sorted(found, key=lambda curve: (curve.arm, curve.seed))


def comparison(about: Mapping[str, object], found: list[Curve]) -> Comparison:
    """A kept comparison, with what is planned and not there yet."""
    planned, arms = about["planned"], about["arms"]
    assert isinstance(planned, dict)
    assert isinstance(arms, dict)
    missing = {arm: count - sum(curve.arm == arm for curve in found) for arm, count in planned.items()}
    return compared(arms, found, missing)


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
