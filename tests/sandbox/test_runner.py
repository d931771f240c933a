"""The runner through its public seam, at each level that this machine offers."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import textwrap
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar

import numpy as np
import psutil
import pytest

from evoarch.sandbox import container, landlock, seccomp, zygote
from evoarch.sandbox.job import Job, Program
from evoarch.sandbox.level import SandboxUnavailableError, detect
from evoarch.sandbox.limits import Level, Limits
from evoarch.sandbox.outcome import Array, Broken, ChildOutcome, Finished, Killed, Raised
from evoarch.sandbox.runner import ZygoteRunner, start
from kit.processes import family_of

T = TypeVar("T")

INSIDE = textwrap.dedent(
    """
    import torch

    def warmup():
        model = torch.nn.Linear(3, 3)
        optimiser = torch.optim.AdamW(model.parameters())
        model(torch.ones(2, 3)).sum().backward()
        optimiser.step()

    def call(genome, arrays, options, announce):
        announce("call")
        return genome.go(arrays), {"options": options}

    def empty(genome, arrays, options, announce):
        return {}, {}

    def echo(genome, arrays, options, announce):
        return arrays, {}

    def draw(genome, arrays, options, announce):
        return {"drawn": torch.rand(4)}, {}
    """
)
PROGRAM = Program({"inside": INSIDE}, "inside")
BEST = detect().level
NO_CONTAINER = container.problem(container.find_podman())
needs_container = pytest.mark.skipif(bool(NO_CONTAINER), reason=NO_CONTAINER or "podman works")
ON_PODMAN = pytest.param(Level.CONTAINER, marks=[needs_container, pytest.mark.slow])
SEEN = (
    [Level.NONE]
    + ([Level.LANDLOCK] if landlock.abi() and seccomp.available() else [])
    + ([BEST] if BEST is Level.FULL else [])
)
LEVELS = [*SEEN, ON_PODMAN]
QUICK = Limits(wall_clock=20.0, cpu_seconds=10.0, memory=512 << 20, output=4 << 20)


class Walls:
    """A runner with the loop that it lives on."""

    def __init__(self, loop: asyncio.Runner, runner: ZygoteRunner) -> None:
        self.loop = loop
        self.runner = runner

    def wait(self, work: Callable[[], Awaitable[T]]) -> T:
        async def waited() -> T:
            return await work()

        return self.loop.run(waited())

    def run(
        self, source: str, limits: Limits = QUICK, function: str = "call", **arrays: Array
    ) -> ChildOutcome:
        job = Job(function, textwrap.dedent(source), arrays, {"n": 1}, limits=limits)
        return self.wait(lambda: self.runner.run(job))


@pytest.fixture(scope="module", params=LEVELS)
def walls(request: pytest.FixtureRequest) -> Iterator[Walls]:
    with asyncio.Runner() as loop:
        runner = loop.run(start(PROGRAM, level=request.param, unsafe=request.param is Level.NONE))
        yield Walls(loop, runner)
        loop.run(runner.close())


@pytest.fixture(scope="module")
def best() -> Iterator[Walls]:
    with asyncio.Runner() as loop:
        runner = loop.run(start(PROGRAM, unsafe=True))
        yield Walls(loop, runner)
        loop.run(runner.close())


def test_arrays_go_in_and_come_back(walls: Walls) -> None:
    frozen = np.arange(40_000, dtype=np.float32).reshape(2, -1)
    frozen.setflags(write=False)
    arrays: dict[str, Array] = {
        "frozen": frozen,
        "labels": np.array([[1, -2]], dtype=np.int64),
        "mask": np.array([True, False]),
        "scalar": np.array(2.5),
        "nothing": np.zeros((0, 3), dtype=np.float32),
        "halves": np.ones((3, 2), dtype=np.float16).T,
    }
    got = walls.run("", QUICK, "echo", **arrays)
    assert isinstance(got, Finished), got
    assert list(got.arrays) == list(arrays)
    for name, array in arrays.items():
        np.testing.assert_array_equal(got.arrays[name], array)
        assert got.arrays[name].dtype == array.dtype
    assert got.arrays["frozen"].flags.writeable


def test_a_childs_writes_reach_neither_the_parent_nor_the_next_child(walls: Walls) -> None:
    shared = np.zeros(100_000, dtype=np.float32)
    shared.setflags(write=False)
    source = "def go(arrays):\n    arrays['shared'].add_(1)\n    return arrays"
    for _ in range(2):
        got = walls.run(source, shared=shared)
        assert isinstance(got, Finished)
        assert got.arrays["shared"].max() == got.arrays["shared"].min() == 1
    assert shared.max() == 0


def test_the_seed_decides_what_is_drawn(walls: Walls) -> None:
    def drawn(seed: int) -> list[float]:
        got = walls.wait(lambda: walls.runner.run(Job("draw", "", seed=seed)))
        assert isinstance(got, Finished)
        return list(got.arrays["drawn"])

    assert drawn(1) == drawn(1) != drawn(2)


def test_an_exception_names_stage_line_module_and_shapes(walls: Walls) -> None:
    got = walls.run(
        """
        import torch
        from torch import nn

        class Model(nn.Module):
            def __init__(self):
                super().__init__()
                self.body = nn.Sequential(nn.ReLU(), nn.Linear(3, 4))

            def forward(self, x):
                x = self.body(x)
                return x

        def go(arrays):
            return Model()(torch.ones(2, 5))
        """
    )
    assert isinstance(got, Raised)
    assert (got.stage, got.kind, got.line) == ("call", "RuntimeError", 11)
    assert (got.module, got.shapes) == ("body.1", ((2, 5),))
    assert "cannot be multiplied" in got.message


@pytest.mark.parametrize(
    ("source", "kind", "line"),
    [
        ("def go(:\n    pass", "SyntaxError", 1),
        ("x = 1\nimport torchvision_of_another_world", "ModuleNotFoundError", 2),
        ("import evoarch.agent", "ModuleNotFoundError", 1),
        ("import mnist1d", "ModuleNotFoundError", 1),
        ("raise SystemExit(0)", "SystemExit", 1),
        ("class E(BaseException):\n    def __str__(self):\n        raise KeyError\nraise E", "E", 4),
        ("raise ValueError('\\x1b[2J' + 'x' * 10**6)", "ValueError", 1),
    ],
)
def test_a_genome_that_does_not_load_fails_at_stage_build(
    best: Walls, source: str, kind: str, line: int
) -> None:
    got = best.run(source)
    assert isinstance(got, Raised)
    assert (got.stage, got.kind, got.line) == ("build", kind, line)
    assert len(got.message) <= 2_000
    assert "\x1b" not in got.message


@pytest.mark.parametrize(
    ("body", "limits", "limit", "said"),
    [
        (
            "while True: pass",
            Limits(wall_clock=0.3),
            "evaluation.wall_clock",
            "stopped at 0.3 s of wall clock",
        ),
        ("time.sleep(1000)", Limits(wall_clock=0.3), "evaluation.wall_clock", "limit evaluation.wall_clock"),
        (
            "while True: pass",
            Limits(20, cpu_seconds=1),
            "evaluation.cpu_seconds",
            "stopped at 1 s of CPU time",
        ),
        (
            "signal.signal(signal.SIGXCPU, signal.SIG_IGN)\n    while True: pass",
            Limits(20, cpu_seconds=1),
            "evaluation.cpu_seconds",
            "limit evaluation.cpu_seconds",
        ),
        (
            "torch.ones(1 << 30)",
            QUICK,
            "evaluation.memory",
            "needed more than 512 MiB above the warm process",
        ),
        ("[bytearray(1 << 20) for _ in range(10000)]", QUICK, "evaluation.memory", "evaluation.memory"),
        ("[mmap.mmap(-1, 1 << 28) for _ in range(9)]", QUICK, "evaluation.memory", "evaluation.memory"),
        ("return {'x': torch.zeros(2 << 20)}", QUICK, "evaluation.output", "wrote more than 4 MiB of output"),
        ("os.kill(os.getpid(), 9)", QUICK, "", "killed by signal 9 (SIGKILL) twice: by itself, from outside"),
        ("os.abort()", QUICK, "", "killed by signal 6 (SIGABRT)"),
        ("os._exit(0)", QUICK, "", "exited with status 0 before it answered"),
        ("os._exit(3)", QUICK, "", "exited with status 3 before it answered"),
    ],
)
def test_a_child_that_goes_too_far_is_stopped_and_the_limit_named(
    walls: Walls, body: str, limits: Limits, limit: str, said: str
) -> None:
    got = walls.run(f"import mmap, os, signal, time, torch\ndef go(arrays):\n    {body}", limits)
    assert isinstance(got, Killed), got
    assert (got.stage, got.limit) == ("call", limit)
    assert said in got.reason
    assert isinstance(walls.run("", function="empty"), Finished)


def test_usage_is_measured_outside(walls: Walls) -> None:
    got = walls.run("import time\ndef go(arrays):\n    while time.process_time() < 0.3: pass\n    return {}")
    assert isinstance(got, Finished)
    assert 0.2 < got.usage.cpu_seconds <= got.usage.seconds + 0.1
    assert got.usage.peak_rss > 10 << 20


def test_a_hundred_at_once(walls: Walls) -> None:
    source = "def go(arrays):\n    return {'y': arrays['x'] * 2}"

    async def all_of_them() -> list[ChildOutcome]:
        jobs = [Job("call", source, {"x": np.array([n], dtype=np.int64)}, limits=QUICK) for n in range(100)]
        return await asyncio.gather(*(walls.runner.run(job) for job in jobs))

    before = len(os.listdir("/proc/self/fd"))
    got = walls.wait(all_of_them)
    assert [int(one.arrays["y"][0]) for one in got if isinstance(one, Finished)] == [
        2 * n for n in range(100)
    ]
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_cancelled_job_takes_its_child_along(best: Walls) -> None:
    async def cancelled() -> tuple[int, int]:
        job = Job("call", "import time\ndef go(arrays):\n    time.sleep(1000)")
        zygote = (await best.runner.warm()).pid
        idle = len(family_of(zygote))
        task = asyncio.create_task(best.runner.run(job))
        while len(family_of(zygote)) == idle:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await best.runner.run(Job("empty", ""))
        while len(family_of(zygote)) > idle:
            await asyncio.sleep(0.01)
        return idle, len(family_of(zygote))

    idle, after = best.wait(lambda: asyncio.wait_for(cancelled(), 30))
    assert idle == after


def _cpu(pid: int) -> float:
    """CPU seconds of a process; 0 when it is gone."""
    try:
        return sum(psutil.Process(pid).cpu_times()[:2])
    except psutil.NoSuchProcess:
        return 0.0


def test_a_kill_from_outside_is_not_the_candidate_s(best: Walls) -> None:
    source = "import time\ndef go(arrays):\n    while time.process_time() < 1: pass\n    return {}"

    async def killed() -> ChildOutcome:
        root = (await best.runner.warm()).pid
        idle = family_of(root)
        task = asyncio.create_task(best.runner.run(Job("call", source, limits=QUICK)))
        # Its genome runs: locks take no such time.
        while not (busy := [pid for pid in family_of(root) if pid not in idle and _cpu(pid) > 0.3]):
            await asyncio.sleep(0.01)
        os.kill(busy[0], signal.SIGKILL)
        return await task

    got = best.wait(lambda: asyncio.wait_for(killed(), 60))
    assert isinstance(got, Finished), got
    assert got.usage.cpu_seconds > 1.2  # of both


def test_the_time_that_a_machine_was_suspended_is_on_no_child_s_clock(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now, struck = [100.0], list[str]()
    monkeypatch.setattr(zygote.time, "monotonic", lambda: now[0])
    ours, theirs = socket.socketpair()
    with ours, theirs:
        served = zygote.Zygote(theirs, "")
        monkeypatch.setattr(served, "stop", lambda running, limit: struck.append(limit))
        child = zygote.Child(1, 0, -1, -1, 100.0, 10.0, 110.0, 1 << 40, 0, 0)
        served.children[0] = child
        now[0] += 3600
        served.watch(served.wake())
        assert not struck
        assert child.started == pytest.approx(now[0] - zygote.WATCH_SECONDS)
        for _ in range(200):
            now[0] += zygote.WATCH_SECONDS
            served.watch(served.wake())
            if struck:
                break
        assert struck == ["evaluation.wall_clock"]
        assert now[0] - child.started == pytest.approx(10.0, abs=0.3)


def test_a_lost_zygote_breaks_its_jobs_and_the_next_one_works() -> None:
    async def lose_it() -> tuple[ChildOutcome, ChildOutcome]:
        runner = await start(PROGRAM, unsafe=True)
        try:
            hanging = asyncio.create_task(runner.run(Job("call", "def go(arrays):\n    while True: pass")))
            await asyncio.sleep(0)
            link = await runner.warm()
            os.kill(link.pid, signal.SIGKILL)
            return await hanging, await runner.run(Job("empty", ""))
        finally:
            await runner.close()

    broken, after = asyncio.run(lose_it())
    assert isinstance(broken, Broken)
    assert "zygote is gone" in broken.reason
    assert isinstance(after, Finished)


def test_a_program_that_does_not_warm_up_says_why() -> None:
    async def fail() -> None:
        await start(Program({"inside": "def warmup():\n    raise OSError('no luck')"}, "inside"), unsafe=True)

    with pytest.raises(RuntimeError, match="OSError: no luck"):
        asyncio.run(fail())


def test_level_none_needs_to_be_asked_for() -> None:
    with pytest.raises(SandboxUnavailableError, match="--unsafe"):
        asyncio.run(start(PROGRAM, level=Level.NONE))


def test_the_zygote_is_started_from_the_main_thread_only() -> None:
    async def elsewhere() -> None:
        await asyncio.to_thread(lambda: asyncio.run(start(PROGRAM)))

    with pytest.raises(RuntimeError, match="main thread"):
        asyncio.run(elsewhere())


def test_a_program_may_not_replace_the_sandbox() -> None:
    async def replaced() -> None:
        await start(Program({"inside": INSIDE, "evoarch.sandbox.child": ""}, "inside"), unsafe=True)

    with pytest.raises(ValueError, match=r"sandbox\.child"):
        asyncio.run(replaced())
