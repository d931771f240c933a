"""What goes into a child: a program of named files, tensors and a seed; and the seam that runs it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from evoarch.sandbox.device import CPU, Device
from evoarch.sandbox.limits import Level, Limits
from evoarch.sandbox.outcome import Array, ChildOutcome
from evoarch.sandbox.talk import Talk


@dataclass(frozen=True)
class Program:
    """The trusted code that runs inside: `files` maps module names to source text.

    The zygote makes each importable under its name and calls `warmup()` of `entry` once before any fork.
    In a child, `entry`'s function named by `Job.function` is called as
    `function(genome: types.ModuleType | None, arrays: dict[str, torch.Tensor], options: dict, announce)`
    and returns `(tensors: dict[str, torch.Tensor], notes: dict)`; `announce(stage)` names the stage for
    failure reports. (The genome is loaded under stage "build" by the child before the call.)
    """

    files: Mapping[str, str]
    entry: str
    warm_seconds: float = 180.0
    """How long a zygote may take to import torch and warm up, with frozen code five times as long."""


@dataclass(frozen=True)
class FrozenTexts:
    """Frozen modules with a genome's open definitions in their place: `modules` by name, and by file the
    pairs of its line and the genome's, so that failures tell the genome's.
    """

    modules: Mapping[str, str]
    lines: Mapping[str, Sequence[tuple[int, int]]]


@dataclass(frozen=True)
class Job:
    """One child. `arrays` cross as raw frames; `options` as JSON; `seed` seeds torch and random.

    On a `device` with a driver, `open_device(request)` of the program is called before the child's last locks
    and before any line of the genome (`request` as Device.request), and the options hold `device` (torch's
    type) and `autocast`. `frozen`: where the genome's open definitions stand in frozen modules.
    """

    function: str
    genome: str
    arrays: Mapping[str, Array] = field(default_factory=dict)
    options: Mapping[str, object] = field(default_factory=dict)
    seed: int = 0
    limits: Limits = field(default_factory=Limits)
    device: Device = CPU
    frozen: FrozenTexts | None = None


class Runner(Protocol):
    """The seam behind which genomes run. Never raises for what a genome does."""

    @property
    def level(self) -> Level: ...

    async def run(self, job: Job) -> ChildOutcome: ...

    async def close(self) -> None: ...


@runtime_checkable
class InteractiveRunner(Runner, Protocol):
    """A runner on this machine, whose children may be talked with while they live."""

    async def converse(self, job: Job, talk: Talk) -> ChildOutcome:
        """As `run`, with the ends of `talk` that are the child's."""
        ...
