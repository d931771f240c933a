"""The runs of a comparison: ordinary campaigns in folders of their own, a few at a time, resumable."""

from __future__ import annotations

import asyncio
import os
import sys
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomlkit

from evoarch.agent.base import pdeathsig
from evoarch.agent.base.concurrency import in_slots
from evoarch.agent.base.errors import UserError, files_told
from evoarch.agent.compare.arms import find
from evoarch.agent.config.data_fingerprint import moved_parts
from evoarch.agent.config.load import FILE, load, parse
from evoarch.agent.config.loops import loop_of
from evoarch.agent.config.overlay import overlaid
from evoarch.agent.config.recorded import data_for_run, settings_for_run
from evoarch.agent.config.trust import VARIABLE, Code, code_of
from evoarch.agent.evaluation.external_trainer import moved_trainer
from evoarch.agent.search.campaign_files import copy_files, differing
from evoarch.agent.search.own_parts import check_parts
from evoarch.archive.private_files import make_folder, open_private
from evoarch.archive.schema import FILE as DATABASE
from evoarch.archive.store import open_archive

FOLDER = "compare"
LOG = "run.log"
_CODE = "from evoarch.agent.cli import main; main()"


@dataclass(frozen=True)
class Run:
    """One campaign of a comparison. `seed` is its campaign seed: the same ones in every arm."""

    arm: str
    seed: int
    folder: Path

    def finished(self) -> bool:
        """Whether the run has spent its budget."""
        if not (self.folder / DATABASE).exists():
            return False
        store = open_archive(self.folder, write=False)
        try:
            return bool(store.last_event_detail("stop").get("complete"))
        finally:
            store.close()


def plan(folder: Path, arms: Mapping[str, int], evaluations: int = 0) -> list[Run]:
    """The runs of `arms`, a name to its number of runs. They are in order of seeds: a part is balanced too.

    Writes the folder of each run that has none. Raises UserError for an arm that gives no valid
    configuration, and for a folder that was begun under another one or with other files.
    """
    first = settings_for_run(folder).config.campaign.seed
    runs = []
    for number in range(max(arms.values())):
        for arm, count in arms.items():
            if number < count:
                run = Run(arm, first + number, folder / FOLDER / arm / f"seed-{first + number}")
                _prepare(folder, run, configured(folder, run, evaluations))
                runs.append(run)
    return runs


def code_of_arms(folder: Path, arms: Iterable[str]) -> list[Code]:
    """What of the campaign in `folder` runs as code in any of its arms. Raises UserError."""
    found: list[Code] = []
    for arm in arms:
        run = Run(arm, 0, folder / FOLDER / arm / "seed-0")
        config = parse(configured(folder, run), f"arm {arm}")
        found += [code for code in code_of(config, run.folder) if code not in found]
    return found


def configured(folder: Path, run: Run, evaluations: int = 0) -> dict[str, Any]:
    """The campaign.toml of `run`, as a mapping: the arm over what the campaign goes on under, each `--set` of
    its earlier runs included. `evaluations`: the budget, 0 for the campaign's own.

    Raises UserError for an arm that gives no valid configuration.
    """
    data = data_for_run(folder)
    _, overlay = find(folder, run.arm)
    own: dict[str, Any] = {
        "campaign": {"name": f"{data['campaign']['name']} {run.arm} {run.seed}", "seed": run.seed},
        # One worker: the same seed gives the same campaign, and arms share a machine fairly.
        "evaluation": {"workers": 1, "order": "strict"},
    }
    if evaluations:
        own["budget"] = {"evaluations": evaluations}
    # An arm may change the loop: what only the campaign's own loop reads is no part of the arm.
    loop = loop_of(overlaid(data, overlay).get("rounds"))
    merged = overlaid(overlaid(loop.pruned(data), overlay), loop.pruned(own))
    merged["campaign"]["profile"] = run.arm
    merged = moved_parts(merged, folder, run.folder)
    if "trainer" in merged:
        merged["trainer"] = moved_trainer(merged["trainer"], folder)
    parse(merged, f"arm {run.arm}")
    return merged


def _prepare(folder: Path, run: Run, data: Mapping[str, Any]) -> None:
    """The run's folder, or whether it was begun as it would be now. Raises UserError."""
    text = tomlkit.dumps(data)
    config = parse(data, f"arm {run.arm}")
    path = run.folder / FILE
    if not path.exists():
        with files_told(path):
            for place in (folder / FOLDER, run.folder.parent, run.folder):
                make_folder(place)
        copy_files(folder, run.folder, config)
        # Last: a folder that has it has the others.
        with files_told(path):
            path.write_text(text, encoding="utf-8")
        return
    anew = f"move {folder / FOLDER} away to begin anew"
    if _read(path) != tomllib.loads(text):
        raise UserError(
            f"{path}: was begun under another configuration than {folder} and arm {run.arm} now give; {anew}"
        )
    for file in differing(folder, run.folder, config):
        raise UserError(
            f"{run.folder / file}: was begun with another one than {folder / file} is now; {anew}"
        )


def _read(path: Path) -> dict[str, Any]:
    with files_told(path):
        text = path.read_bytes()
    try:
        return tomllib.loads(text.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not valid TOML: {error}") from None


async def carry_out(runs: Sequence[Run], jobs: int, say: Callable[[str], None]) -> list[Run]:
    """Runs those that are not finished, `jobs` at a time; returns those that ended with an error.

    Each run is a process of its own, as `evoarch run` starts it. When this is cancelled they are asked to
    stop; when it is cancelled once more they are killed. What they have done is kept. `say`: gets a line of
    progress. Raises UserError or TaskError, before the first run, for an arm that names a part of the user's
    own which is not there or does not hold.
    """
    waiting = [run for run in runs if not run.finished()]
    for run in {run.arm: run for run in waiting}.values():
        check_parts(load(run.folder), run.folder)
    total, failed = len(runs), list[Run]()
    say(f"{total - len(waiting)} of {total} runs are there, {len(waiting)} to do")
    done = total - len(waiting)

    async def one(run: Run) -> None:
        nonlocal done
        # One whose seeds failed in part has an exit code too, and all its evaluations.
        if await _carry_out(run) and not run.finished():
            failed.append(run)
            say(f"{run.arm} seed {run.seed}: ended with an error; {run.folder / LOG} says why")
            return
        done += 1
        say(f"{done}/{total} {run.arm} seed {run.seed}")

    await in_slots(waiting, one, jobs)
    return failed


async def _carry_out(run: Run) -> int:
    with files_told(run.folder / LOG):
        log = open_private(run.folder / LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    with os.fdopen(log, "ab") as stream:
        process = await asyncio.create_subprocess_exec(
            *_command(run),
            stdout=stream,
            stderr=stream,
            stdin=asyncio.subprocess.DEVNULL,
            # The user agreed to the code of all arms before the first was run.
            env={**os.environ, VARIABLE: "1"},
        )
        try:
            return await process.wait()
        except asyncio.CancelledError:
            with suppress(ProcessLookupError):
                process.terminate()
            await process.wait()
            raise
        finally:
            # A second signal cancels the wait above: then it is not asked any longer.
            if process.returncode is None:
                process.kill()
                await process.wait()


def _command(run: Run) -> tuple[str, ...]:
    """`evoarch run`, which ends with this process however that ends: the next one finds its lock free."""
    tied = (sys.executable, "-I", pdeathsig.__file__, str(os.getpid()))
    # -P: a folder in the current one may be called as a package of ours is.
    return (*tied, sys.executable, "-P", "-c", _CODE, "run", str(run.folder), "--json")
