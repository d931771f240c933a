"""The runs of a comparison: ordinary campaigns in folders of their own, a few at a time, resumable."""

from __future__ import annotations

import asyncio
import shutil
import sys
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomli_w

from agent.compare.arms import find, overlaid
from agent.config import FILE, load, parse
from agent.errors import UserError
from agent.slots import in_slots
from agent.training import moved_trainer
from archive.schema import FILE as DATABASE
from archive.store import open_archive
from evaluators.tasks import moved

FOLDER = "compare"
LOG = "run.log"
_CODE = "from agent.cli import main; main()"


@dataclass(frozen=True)
class Run:
    """One campaign of a comparison. `seed` is its campaign seed: the same ones in every arm."""

    arm: str
    seed: int
    folder: Path

    def finished(self) -> bool:
        """Whether its budget is spent."""
        if not (self.folder / DATABASE).exists():
            return False
        store = open_archive(self.folder, write=False)
        try:
            return bool(store.last_event_detail("stop").get("complete"))
        finally:
            store.close()


def plan(folder: Path, arms: Mapping[str, int], evaluations: int = 0) -> list[Run]:
    """The runs of `arms` (name to number of seeds), in order of seeds, so that a part of them is balanced.

    Writes each run's folder that is not there. Raises UserError for an arm that does not hold, and for a
    folder that was begun under another configuration.
    """
    load(folder)
    data = tomllib.loads((folder / FILE).read_text(encoding="utf-8"))
    first = int(data["campaign"].get("seed", 0))
    runs = []
    for number in range(max(arms.values())):
        for arm, count in arms.items():
            if number < count:
                run = Run(arm, first + number, folder / FOLDER / arm / f"seed-{first + number}")
                _prepare(folder, run, _configured(folder, data, run, evaluations))
                runs.append(run)
    return runs


def _configured(folder: Path, data: Mapping[str, Any], run: Run, evaluations: int) -> dict[str, Any]:
    _, overlay = find(folder, run.arm)
    own: dict[str, Any] = {
        "campaign": {"name": f"{data['campaign']['name']} {run.arm} {run.seed}", "seed": run.seed},
        # One worker: the same seed gives the same campaign, and arms share a machine fairly.
        "evaluation": {"workers": 1, "order": "strict"},
    }
    if evaluations:
        own["budget"] = {"evaluations": evaluations}
    merged = overlaid(overlaid(data, overlay), own)
    merged["campaign"]["profile"] = run.arm
    if "task" in merged["campaign"]:
        merged["campaign"]["task"] = moved(merged["campaign"]["task"], folder, run.folder)
    if "trainer" in merged:
        merged["trainer"] = moved_trainer(merged["trainer"], folder)
    parse(merged, f"arm {run.arm}")
    return merged


def _prepare(folder: Path, run: Run, config: Mapping[str, Any]) -> None:
    text = tomli_w.dumps(config)
    path = run.folder / FILE
    if path.exists():
        if tomllib.loads(path.read_text(encoding="utf-8")) != tomllib.loads(text):
            raise UserError(
                f"{path}: was begun under another configuration than {folder / FILE} and arm {run.arm} "
                f"now give; move {folder / FOLDER} away to begin anew"
            )
        return
    for file in config.get("seeds", {}).get("files", ()):
        target = run.folder / file
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(folder / file, target)
    run.folder.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


async def carry_out(runs: Sequence[Run], jobs: int, say: Callable[[str], None]) -> list[Run]:
    """Runs what is not finished, `jobs` at a time; gives those that ended with an error.

    Each is a process of its own, as `evoarch run` starts it. Cancelled, they are asked to stop, and what
    they had is kept.
    """
    waiting = [run for run in runs if not run.finished()]
    total, failed = len(runs), list[Run]()
    say(f"{total - len(waiting)} of {total} runs are there, {len(waiting)} to do")
    done = total - len(waiting)

    async def one(run: Run) -> None:
        nonlocal done
        if await _carry_out(run):
            failed.append(run)
            say(f"{run.arm} seed {run.seed}: ended with an error; {run.folder / LOG} says why")
            return
        done += 1
        say(f"{done}/{total} {run.arm} seed {run.seed}")

    await in_slots(waiting, one, jobs)
    return failed


async def _carry_out(run: Run) -> int:
    with (run.folder / LOG).open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            _CODE,
            "run",
            str(run.folder),
            "--json",
            stdout=log,
            stderr=log,
            stdin=asyncio.subprocess.DEVNULL,
        )
        try:
            return await process.wait()
        except asyncio.CancelledError:
            process.terminate()
            await process.wait()
            raise
