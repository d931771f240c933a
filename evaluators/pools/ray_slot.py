"""What of a pool runs on a node of a Ray cluster: a look at the node, and a slot with its warm zygote.

A slot is an actor of its own worker process, whose calls Ray makes on that process's main thread. So the
kernel ties the zygote to the worker: it dies with it, however the worker, its node or its driver ends.
"""

from __future__ import annotations

import asyncio
import importlib.metadata
import os
import platform
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace

import ray

from evoarch.evaluators.pools.seam import Walls
from evoarch.evaluators.pools.shelf import Stored
from evoarch.sandbox import runner
from evoarch.sandbox.environment import InterpreterError, environment_of
from evoarch.sandbox.job import Job
from evoarch.sandbox.level import SandboxUnavailableError, detect
from evoarch.sandbox.limits import Level
from evoarch.sandbox.outcome import Array, Broken, ChildOutcome

KEPT = 64
"""Arrays of the object store that a slot holds on to; a zygote shares as many among its children."""


@dataclass(frozen=True)
class Look:
    """What a node says of itself. `level` is the best that works there, `reasons` why not a better one."""

    level: Level
    reasons: tuple[str, ...]
    advice: str
    cores: int
    versions: Mapping[str, str]


def versions() -> dict[str, str]:
    """Of what decides a score, without what only names a build (`+cpu`)."""
    found = {"python": platform.python_version().rpartition(".")[0]}
    for name in ("evoarch", "torch"):
        try:
            found[name] = importlib.metadata.version(name).partition("+")[0]
        except importlib.metadata.PackageNotFoundError:
            found[name] = "missing"
    return found


def look() -> Look:
    report = detect()
    cores = len(os.sched_getaffinity(0))
    return Look(report.level, report.reasons, report.advice, cores, versions())


class SlotHost:
    """The actor. It has one child at a time and keeps its zygote warm between them."""

    def __init__(self, walls: Walls) -> None:
        self._loop = asyncio.Runner()
        self._walls = walls
        self._runner: runner.ZygoteRunner | None = None
        self._kept: OrderedDict[str, Array] = OrderedDict()

    def warm(self) -> tuple[Level | None, str]:
        """Starts the zygote: (its level, ""), or (None, why not)."""
        walls = self._walls
        installed = walls.frozen.imports if walls.frozen else ()
        try:
            start = runner.start(
                walls.program,
                level=walls.level,
                unsafe=walls.unsafe,
                packages=environment_of(walls.python).providers((*walls.modules, *installed)),
                preload=walls.modules,
                python=walls.python,
                frozen=walls.frozen,
            )
            self._runner = self._loop.run(start)
        except (
            InterpreterError,
            SandboxUnavailableError,
            runner.FrozenImportError,
            runner.ZygoteLostError,
        ) as error:
            return None, str(error)
        except importlib.metadata.PackageNotFoundError as error:
            return None, f"sandbox.imports: {error} is not installed there"
        return self._runner.level, ""

    def run(self, ticket: int, job: Job, stored: Mapping[str, Stored]) -> tuple[int, ChildOutcome]:
        """One child. `stored` are the arrays of the job that lie in the object store."""
        assert self._runner is not None
        try:
            arrays = {
                name: self._fetched(stored[name]) if name in stored else array
                for name, array in job.arrays.items()
            }
        except ray.exceptions.RayError as error:
            return ticket, Broken(f"its data did not arrive: {type(error).__name__}")
        return ticket, self._loop.run(self._runner.run(replace(job, arrays=arrays)))

    def _fetched(self, stored: Stored) -> Array:
        """The same object each time, so that the zygote gets it once."""
        if stored.digest not in self._kept:
            self._kept[stored.digest] = ray.get(stored.ref)
        self._kept.move_to_end(stored.digest)
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return self._kept[stored.digest]
