"""Training by a program of the user's own, in the place of the loop inside the walls. See
docs/own-trainer.md.

It is a Runner around the runner of the children: a job that trains goes to the program, every other one
passes through. So what follows is as ever: weights are what comes back, two fresh locked children predict
with them, and the trusted process scores.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import stat
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save_file

from evoarch.sandbox.external import Bounds, Ended, run_external
from evoarch.sandbox.external_walls import walled
from evoarch.sandbox.job import Job, Runner
from evoarch.sandbox.limits import Level
from evoarch.sandbox.outcome import Array, Broken, ChildOutcome, Finished, Killed

WEIGHTS = "weights.safetensors"
"""What the program leaves in its output folder."""

PLACES = ("genome", "output", "data", "settings", "seed", "steps", "batch", "rate", "processes")
"""What stands in braces in a command and is filled in for each training."""

TRY_AGAIN = 75
"""EX_TEMPFAIL of sysexits.h: the program's word that the machine was at fault."""

OWN_FAULT = frozenset(
    [
        signal.SIGSEGV,
        signal.SIGABRT,
        signal.SIGBUS,
        signal.SIGFPE,
        signal.SIGILL,
        signal.SIGTRAP,
        signal.SIGSYS,
        signal.SIGPIPE,
    ]
)
"""Signals that a process brings upon itself. Others come from outside: out of memory, preempted, shut
down."""

TRAIN = "train"
_PLACE = re.compile(r"\{(\w+)\}")
_SHELL_SIGNALS = 128


@dataclass(frozen=True)
class Training:
    """How the program is run. `command`: its words, with PLACES; `folder`: where its runs have theirs;
    `bwrap`: what walls it off ("": nothing does); `shows`: what it may read; `variables`: its environment;
    `slots`: for each training that may run at once, the ids of the GPUs that it has.
    """

    command: tuple[str, ...]
    folder: Path
    bounds: Bounds
    bwrap: str = ""
    guarded: bool = True
    shows: tuple[Path, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    processes: int = 1
    slots: tuple[tuple[str, ...], ...] = ((),)


class Trainer:
    """Implements sandbox.job.Runner. Belongs to one event loop; `close` closes the runner that it is
    around."""

    def __init__(self, runner: Runner, training: Training) -> None:
        self._runner, self._of = runner, training
        self._data: dict[tuple[int, ...], tuple[Path, Mapping[str, Array]]] = {}
        self._groups: asyncio.Queue[tuple[str, ...]] = asyncio.Queue()
        for group in training.slots:
            self._groups.put_nowait(group)
        shutil.rmtree(training.folder, ignore_errors=True)  # what a killed run left
        training.folder.mkdir(0o700, parents=True)

    @property
    def level(self) -> Level:
        """That of the children, or `none` where nothing is around the program."""
        return self._runner.level if self._of.guarded else Level.NONE

    async def run(self, job: Job) -> ChildOutcome:
        """Never raises for what the program does; cancelling it ends the program with all its processes."""
        if job.function != TRAIN:
            return await self._runner.run(job)
        try:
            data = self._data_of(job.arrays)
            async with self._devices() as gpus:
                return await self._train(job, data, gpus)
        except (OSError, SafetensorError) as error:  # safetensors writes, and says so in its own words
            return Broken(f"the trainer's folder: {error}")

    async def close(self) -> None:
        self.clear()
        await self._runner.close()

    def clear(self) -> None:
        """Deletes the folder of its runs."""
        shutil.rmtree(self._of.folder, ignore_errors=True)

    async def _train(self, job: Job, data: Path, gpus: Sequence[str]) -> ChildOutcome:
        of = self._of
        with tempfile.TemporaryDirectory(dir=of.folder, ignore_cleanup_errors=True) as name:
            folder = Path(name)
            output = folder / "output"
            output.mkdir()
            kept = os.open(output, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                values = _written(job, folder, data, of.processes, gpus)
                command = [filled(word, values) for word in of.command]
                variables = {**of.variables, "EVOARCH_SETTINGS": values["settings"]}
                variables["CUDA_VISIBLE_DEVICES"] = ",".join(gpus)
                if of.bwrap:
                    command = walled(
                        of.bwrap,
                        command,
                        folder=folder,
                        output=output,
                        shows=(*of.shows, data),
                        variables=variables,
                        scratch=of.bounds.memory or of.bounds.output,
                        gpus=bool(gpus),
                    )
                ended = await run_external(
                    command, folder=output, output=output, variables=variables, bounds=of.bounds
                )
                return outcome_of(ended, of.bounds) or _weights(kept, ended, of.bounds.output)
            finally:
                os.close(kept)

    def _data_of(self, arrays: Mapping[str, Array]) -> Path:
        """The training split as a file, written once: a task hands the same arrays to every job."""
        key = tuple(id(array) for array in arrays.values())
        if key not in self._data:
            path = self._of.folder / f"data-{len(self._data)}.safetensors"
            save_file({name: np.array(array, order="C") for name, array in arrays.items()}, path)
            # The arrays are kept, so that an id stays theirs.
            self._data[key] = path, arrays
        return self._data[key][0]

    @asynccontextmanager
    async def _devices(self) -> AsyncIterator[tuple[str, ...]]:
        group = await self._groups.get()
        try:
            yield group
        finally:
            self._groups.put_nowait(group)


def unknown_place(command: Sequence[str]) -> str:
    """The first word in braces that is none of PLACES, "" if all are."""
    return next((name for word in command for name in _PLACE.findall(word) if name not in PLACES), "")


def filled(word: str, values: Mapping[str, str]) -> str:
    """A word of a command with its places filled."""
    return _PLACE.sub(lambda match: values[match[1]], word)


def outcome_of(ended: Ended, bounds: Bounds) -> ChildOutcome | None:
    """What became of a training that left nothing to read; None where it ended well."""
    said = f": {ended.said}" if ended.said else ""
    if ended.problem:
        return Broken(f"the trainer was not run: {ended.problem}{said}", ended.usage)
    if ended.struck == "cancelled":
        return Broken("the trainer was stopped with its run", ended.usage)
    if ended.struck:
        return Killed(TRAIN, _limit(ended.struck, bounds) + said, f"trainer.{ended.struck}", ended.usage)
    status = os.waitstatus_to_exitcode(ended.status or 0)
    # A wall or a shell around a program reports its signal as 128 + its number.
    number = -status if status < 0 else status - _SHELL_SIGNALS
    if number == signal.SIGXFSZ:
        return Killed(TRAIN, _limit("output", bounds) + said, "trainer.output", ended.usage)
    if number in set(signal.Signals):
        name = signal.Signals(number).name
        if number in OWN_FAULT:
            return Killed(TRAIN, f"the trainer died of signal {number} ({name}){said}", usage=ended.usage)
        return Broken(
            f"the trainer was ended from outside by signal {number} "
            f"({name}: out of memory, preempted or shut down?){said}",
            ended.usage,
        )
    if status == TRY_AGAIN:
        return Broken(f"the trainer asked for another try (exit status {TRY_AGAIN}){said}", ended.usage)
    if status:
        return Killed(TRAIN, f"the trainer ended with exit status {status}{said}", usage=ended.usage)
    return None


def _limit(struck: str, bounds: Bounds) -> str:
    said = {
        "wall_clock": f"the trainer was stopped at {bounds.wall_clock:g} s of wall clock",
        "memory": f"the trainer's processes needed more than {bounds.memory >> 20} MiB together",
        "processes": f"the trainer had more than {bounds.processes} processes at once",
        "output": f"the trainer wrote more than {bounds.output >> 20} MiB into its output folder",
    }[struck]
    return f"{said}; limit trainer.{struck}"


def _written(job: Job, folder: Path, data: Path, processes: int, gpus: Sequence[str]) -> dict[str, str]:
    """The genome and the settings as files, and what the places of a command stand for."""
    recipe = job.options["recipe"]
    assert isinstance(recipe, Mapping)
    values: dict[str, object] = {
        "genome": folder / "genome.py",
        "output": folder / "output",
        "data": data,
        "settings": folder / "settings.json",
        "seed": job.seed,
        "steps": recipe["steps"],
        "batch": recipe["batch"],
        "rate": recipe["rate"],
        "processes": processes,
    }
    texts = {name: str(value) for name, value in values.items()}
    (folder / "genome.py").write_text(job.genome, encoding="utf-8")
    told = {name: job.options.get(name) for name in ("entry", "offers", "kwargs", "loss", "recipe")}
    paths = {name: texts[name] for name in ("genome", "output", "data")}
    told |= {**paths, "weights": WEIGHTS, "seed": job.seed, "processes": processes, "gpus": list(gpus)}
    (folder / "settings.json").write_text(json.dumps(told, indent=1), encoding="utf-8")
    return texts


def _weights(folder: int, ended: Ended, largest: int) -> ChildOutcome:
    """What a program left in the folder that is open as `folder`, as the reply of a training child."""
    try:
        data = _read(folder, largest)
        tensors: dict[str, Array] = dict(load(data))
        ties = _ties(data, tensors)
    except FileNotFoundError:
        said = f": {ended.said}" if ended.said else ""
        return Killed(TRAIN, f"the trainer left no {WEIGHTS} in its output folder{said}", usage=ended.usage)
    except KeyError as error:
        reason = f"expected float16, float32, float64 or integer tensors, got {error}"
        return Killed(TRAIN, f"{WEIGHTS}: {reason}", usage=ended.usage)
    except (OSError, SafetensorError, ValueError, TypeError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        return Killed(TRAIN, f"{WEIGHTS}: expected a safetensors file: {reason}"[:500], usage=ended.usage)
    if not tensors:
        return Killed(TRAIN, f"{WEIGHTS}: expected tensors, got none", usage=ended.usage)
    tensors |= {name: tensors[first] for name, first in ties.items()}
    return Finished({f"0/{name}": array for name, array in tensors.items()}, {"ties": ties}, ended.usage)


def _read(folder: int, largest: int) -> bytes:
    """The bytes of the file; a link, a pipe or a folder of its name is not followed."""
    descriptor = os.open(WEIGHTS, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    with os.fdopen(descriptor, "rb") as stream:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise ValueError("it is no regular file")
        if found.st_size > largest:
            raise ValueError(f"{found.st_size >> 20} MiB are more than trainer.output, {largest >> 20} MiB")
        return stream.read(largest)


def _ties(data: bytes, tensors: Mapping[str, Array]) -> dict[str, str]:
    """Names that safetensors' `save_model` left out, each to the name whose tensor it shares."""
    length = int.from_bytes(data[:8], "little")
    noted = json.loads(data[8 : 8 + length]).get("__metadata__", {})
    return {name: first for name, first in noted.items() if first in tensors and name not in tensors}
