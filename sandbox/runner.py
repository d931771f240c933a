"""The only door to a process that runs a genome: one warm zygote, one fork per job.

Covered (each with attacks in tests/corpus/attacks, run at each level but `none`):
- files, the home folder, the environment, credentials: the child opens no path and inherits no descriptor
  but its own answer; at `full` they are not mounted either. The environment is empty.
- the network and other processes: no socket, no exec, fork or thread, no ptrace, no signal but to itself.
- resources: wall clock, CPU seconds, address space, resident memory and output are limited from outside
  or by the kernel; each one that strikes is named.
- answers: raw frames that match their own manifest, checked in the parent; nothing is unpickled.
- orphans: children die with the zygote, the zygote with its controller.

Not covered:
- a hole in the Linux kernel, in bubblewrap, or in the processor (timing and speculation channels);
- an answer's truth: a genome shares its process with the code that trains it, so it can write any
  frames. That is why only weights come back and the parent scores them.
- fairness: a genome may use all it was granted, and slow its neighbours by as much.
- level `none`: only the limits on time and memory hold, and a child may leave processes behind.
See docs/security.md.
"""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from evoarch.sandbox import wire, zygote_launch
from evoarch.sandbox.device import CPU, Device
from evoarch.sandbox.environment import InterpreterError, environment_of
from evoarch.sandbox.executable import Executable, executable
from evoarch.sandbox.frozen import FrozenImportError, FrozenModules
from evoarch.sandbox.job import Job, Program
from evoarch.sandbox.level import LevelReport, SandboxUnavailableError, around_of, choose
from evoarch.sandbox.limits import Level, Limits
from evoarch.sandbox.mounts import SYSTEM
from evoarch.sandbox.outcome import Array, Broken, ChildOutcome, Finished, Killed, Raised, Usage
from evoarch.sandbox.own_time import OwnTimeError, own_time
from evoarch.sandbox.parcel import Parcels
from evoarch.sandbox.talk import Talk
from evoarch.sandbox.zygote_link import ZygoteLink, ZygoteLostError

DEVICE_MEMORY = "evaluation.device_memory"
_DRIVER_PACKAGES = ("torch", "nvidia", "triton")

__all__ = [
    "FrozenImportError",
    "InterpreterError",
    "SandboxUnavailableError",
    "ZygoteLostError",
    "ZygoteRunner",
    "start",
]


async def start(
    program: Program,
    *,
    level: Level | None = None,
    unsafe: bool = False,
    packages: Sequence[str] = (),
    preload: Sequence[str] = (),
    python: str = "",
    devices: Sequence[Device] = (),
    frozen: FrozenModules | None = None,
) -> ZygoteRunner:
    """Starts a zygote and waits until it is warm (seconds: it imports torch and calls `warmup`).

    level: None for the best that works here. unsafe: allows `none`. packages: distributions that genomes
    may import beside zygote_launch.PACKAGES; preload: modules to import before any fork (a child opens no
    file, so what is not imported then can't be). Call it from the main thread, on the loop that will run
    the jobs: the kernel ties the zygote's life to the thread that started it.

    python: the interpreter of another environment, whose torch and packages the children then have.
    devices: those that jobs may name beside the CPU. frozen: users' own modules, which are run once behind
    the zygote's locks.

    Raises SandboxUnavailableError, ZygoteLostError (the zygote's own last words), InterpreterError,
    PackageNotFoundError, FrozenImportError.
    """
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError(
            "evoarch.sandbox.runner.start: expected the main thread, got a thread that may end earlier"
        )
    report = await asyncio.to_thread(choose, level, unsafe)
    if devices and report.level is Level.CONTAINER:
        raise SandboxUnavailableError("isolation container shows no device; expected full or landlock")
    environment = await asyncio.to_thread(environment_of, python)
    found = zygote_launch.installed([*zygote_launch.PACKAGES, *packages], environment)
    runner = ZygoteRunner(program, report, found, tuple(preload), tuple(devices), frozen)
    await runner.warm()
    return runner


class ZygoteRunner:
    """Implements sandbox.job.Runner. Any number of `run` at once; the caller owns the slots.

    A lost zygote is started anew by the next `run`; the jobs that it had end as Broken.
    Arrays that are not writeable (`array.setflags(write=False)`) and live on are handed over once and
    shared by all children; others are copied into each job.
    """

    def __init__(
        self,
        program: Program,
        report: LevelReport,
        packages: zygote_launch.Packages,
        preload: tuple[str, ...],
        devices: tuple[Device, ...] = (),
        frozen: FrozenModules | None = None,
    ) -> None:
        self.report = report
        self._program = program
        self._packages = packages
        self._preload = preload
        self._devices = devices
        self._frozen = frozen
        self._parcels = Parcels()
        self._link: ZygoteLink | None = None
        self._starting = asyncio.Lock()
        self._closed = False

    @property
    def level(self) -> Level:
        return self.report.level

    async def warm(self) -> ZygoteLink:
        """The living zygote; starts one if there is none. Raises ZygoteLostError."""
        async with self._starting:
            if self._closed:
                raise ZygoteLostError("the runner is closed")
            if self._link is None or self._link.lost:
                if self._link is not None:
                    await self._link.close()
                around = around_of(self.level)
                self._link = await ZygoteLink.start(
                    self.level,
                    self._program,
                    self._packages,
                    self._preload,
                    around,
                    self._devices,
                    self._frozen,
                )
            return self._link

    async def run(self, job: Job) -> ChildOutcome:
        """Runs one child to its end. Never raises for what a genome does; cancelling it kills the child.

        A child may say that its device is lost. If one without a genome can't open it either, that is the
        machine's fault; else the job is tried once more, and what it says then is the candidate's. So it is
        with a SIGKILL that no limit explains.
        """
        first = await self._run(job, None)
        if isinstance(first, _UnexplainedKill):
            second = await self._run(job, None)
            usage = first.usage + second.usage
            if isinstance(second, _UnexplainedKill):
                said = "twice: by itself, from outside, or by the kernel where memory ran out"
                return Killed(second.stage, f"{second.reason} {said}", usage=usage)
            return replace(second, usage=usage)
        if not isinstance(first, _LostDevice):
            return first
        probe = await self._run(replace(job, function="", genome="", arrays={}), None)
        usage = first.usage + probe.usage
        if isinstance(probe, Broken):
            return Broken(f"{job.device.label}: {first.reason}", usage)
        second = await self._run(job, None)
        return replace(second, usage=usage + second.usage)

    async def converse(self, job: Job, talk: Talk) -> ChildOutcome:
        """As `run`; the child gets its ends of `talk`, which are closed here when it has ended."""
        found = await self._run(job, talk)
        if isinstance(found, _LostDevice):
            return Broken(f"{job.device.label}: {found.reason}", found.usage)
        return found

    async def _run(self, job: Job, talk: Talk | None) -> ChildOutcome:
        answer = -1
        fds: list[int] = []
        try:
            link = await self.warm()
            # What stands in frozen modules was made so already, and has its lines from there.
            runs = Executable(job.genome, True, ()) if job.frozen else executable(job.genome)
            parcel, shared, size = self._parcels.pack(replace(job, genome=runs.text))
            fds.append(parcel)
            answer = os.memfd_create("answer", os.MFD_CLOEXEC)
            fds.append(answer)
            theirs = talk.theirs if talk else ()
            request = {**_request(job.limits, self.level, size), "device": self._device(job.device)}
            request |= {"talk": len(theirs)}
            ended = await link.run(request, [parcel, answer, *shared, *theirs])
            with own_time():
                found = outcome(job.limits, ended, answer, job.device)
            return replace(found, line=runs.line(found.line)) if isinstance(found, Raised) else found
        except OwnTimeError as error:
            return Killed("answer", f"answer refused: {error}")
        except (ZygoteLostError, FrozenImportError, OSError) as error:
            return Broken(str(error))
        finally:
            for fd in fds:
                os.close(fd)
            if talk:
                talk.release()

    def _device(self, device: Device) -> dict[str, object] | None:
        """What a child opens; its driver's libraries may be loaded late, so they stay readable."""
        if not device.has_driver:
            return None
        libraries = [p for p in self._packages.paths if os.path.basename(p) in _DRIVER_PACKAGES]
        return device.request() | {"reads": [*device.reads, *SYSTEM, *libraries]}

    async def close(self) -> None:
        """Kills the zygote and whatever still runs in it."""
        self._closed = True
        if self._link is not None:
            await self._link.close()
        self._parcels.close()


def _request(limits: Limits, level: Level, inputs: int) -> dict[str, object]:
    return {
        "level": level.value,
        "wall": limits.wall_clock,
        "cpu": limits.cpu_seconds,
        "memory": limits.memory,
        "output": limits.output,
        "inputs": inputs,
    }


class _LostDevice(Killed):
    """What a child says of its device, which its genome may have made up."""


class _UnexplainedKill(Killed):
    """SIGKILL, with no limit struck: from outside, by the kernel for want of memory, or by the child itself.
    The status tells nothing of who sent it.
    """


def outcome(limits: Limits, ended: Mapping[str, object], answer: int, device: Device = CPU) -> ChildOutcome:
    """What became of a child: `ended` is the zygote's message, `answer` the descriptor that the child had."""
    rss, above = int(_number(ended, "rss")), int(_number(ended, "above"))
    usage = Usage(_number(ended, "seconds"), _number(ended, "cpu"), rss, above)
    status = int(_number(ended, "status"))
    size = os.fstat(answer).st_size
    ceiling = limits.output + wire.OVERHEAD
    data = os.pread(answer, min(size, ceiling), 0)
    stage = wire.last_stage(data)
    if not ended["locked"]:
        problem = str(ended["problem"] or f"a child died before its locks were on (status {status})")
        return Broken(f"{device.label}: {problem}" if device.has_driver else problem, usage)
    struck = str(ended.get("struck") or "")
    if struck:
        return Killed(stage, _limit_text(struck, limits), struck, usage)
    if os.WIFSIGNALED(status):
        return _signalled(os.WTERMSIG(status), stage, limits, usage)
    if size > ceiling:
        return Killed(stage, _limit_text("evaluation.output", limits), "evaluation.output", usage)
    try:
        read = wire.parse_answer(data)
    except wire.WireError as error:
        return Killed(stage, f"answer refused: {error}", usage=usage)
    if not read.complete or os.WEXITSTATUS(status):
        return Killed(stage, f"exited with status {os.WEXITSTATUS(status)} before it answered", usage=usage)
    if read.memory is not None:
        detail = f" ({read.memory})" if read.memory else ""
        return Killed(stage, _limit_text("evaluation.memory", limits) + detail, "evaluation.memory", usage)
    if read.device_memory is not None:
        said = f"needed more of the device's memory than it may take; limit {DEVICE_MEMORY}"
        return Killed(stage, f"{said} ({read.device_memory})", DEVICE_MEMORY, usage)
    if read.device_lost is not None:
        kind = _LostDevice if device.has_driver else Killed
        return kind(stage, f"the device failed: {read.device_lost}", usage=usage)
    if read.raised is not None:
        return raised_of(stage, read.raised, usage)
    total = sum(frame.size for frame in read.frames)
    if total > limits.output:
        return Killed(stage, _limit_text("evaluation.output", limits), "evaluation.output", usage)
    arrays: dict[str, Array] = {
        frame.name: np.frombuffer(data, frame.dtype, count=int(np.prod(frame.shape)), offset=frame.start)
        .reshape(frame.shape)
        .copy()
        for frame in read.frames
    }
    return Finished(arrays, read.notes, usage)


def _number(ended: Mapping[str, object], key: str) -> float:
    value = ended.get(key, 0)
    assert isinstance(value, int | float)
    return value


def _signalled(number: int, stage: str, limits: Limits, usage: Usage) -> Killed:
    by_limit = {signal.SIGXCPU: "evaluation.cpu_seconds", signal.SIGXFSZ: "evaluation.output"}
    limit = by_limit.get(signal.Signals(number) if number in set(signal.Signals) else signal.SIGKILL, "")
    if number == signal.SIGKILL and usage.cpu_seconds >= max(1.0, limits.cpu_seconds):
        limit = "evaluation.cpu_seconds"  # SIGXCPU was ignored
    if limit:
        return Killed(stage, _limit_text(limit, limits), limit, usage)
    kind = _UnexplainedKill if number == signal.SIGKILL else Killed
    return kind(stage, f"killed by signal {number} ({_signal_name(number)})", usage=usage)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "real-time"


def _limit_text(limit: str, limits: Limits) -> str:
    said = {
        "evaluation.wall_clock": f"stopped at {limits.wall_clock:g} s of wall clock",
        "evaluation.cpu_seconds": f"stopped at {limits.cpu_seconds:g} s of CPU time",
        "evaluation.memory": f"needed more than {limits.memory >> 20} MiB above the warm process",
        "evaluation.output": f"wrote more than {limits.output >> 20} MiB of output",
    }[limit]
    return f"{said}; limit {limit}"


def raised_of(stage: str, raised: Mapping[str, object], usage: Usage) -> Raised:
    """What a child says of an exception, made safe to store and to print."""
    line = raised.get("line")
    return Raised(
        stage,
        wire.text(raised.get("kind", "Exception"))[:100],
        wire.text(raised.get("message", "")),
        line if type(line) is int and 0 <= line < 1 << 31 else 0,
        wire.text(raised.get("module", ""))[:200],
        wire.shapes(raised.get("shapes")),
        usage,
    )
