"""No process of a runner outlives its controller."""

import os
import re
import select
import subprocess
import sys
from pathlib import Path

import pytest

from evoarch.sandbox import container, landlock, seccomp
from evoarch.sandbox.level import detect
from evoarch.sandbox.limits import Level
from kit.paths import ROOT
from kit.processes import family_of

INSIDE = """
def warmup():
    pass

def call(genome, arrays, options, announce):
    return {}, {}

def empty(genome, arrays, options, announce):
    return {}, {}
"""
BEST = detect().level
NO_CONTAINER = container.problem(container.find_podman())
LEVELS = (
    [Level.NONE]
    + ([Level.LANDLOCK] if landlock.abi() and seccomp.available() else [])
    + ([BEST] if BEST is Level.FULL else [])
)

CONTROLLER = """
import asyncio, os, sys
from evoarch.sandbox import container, landlock, seccomp
from evoarch.sandbox.job import Job, Program
from evoarch.sandbox.limits import Level
from evoarch.sandbox.runner import start

async def main():
    level = Level(sys.argv[1])
    runner = await start(Program({"inside": sys.argv[2]}, "inside"), level=level, unsafe=level is Level.NONE)
    source = "import signal, time\\nsignal.signal(15, signal.SIG_IGN)\\nwhile True: time.sleep(1)"
    jobs = [asyncio.create_task(runner.run(Job("call", source))) for _ in range(3)]
    # A task, so that it comes after the others: when it has ended they are there.
    await asyncio.create_task(runner.run(Job("empty", "")))
    early, _ = await asyncio.wait(jobs, timeout=0)
    print("running" if not early else [job.result() for job in early], flush=True)
    await asyncio.gather(*jobs)

asyncio.run(main())
"""


@pytest.mark.parametrize("level", LEVELS)
def test_no_process_outlives_a_killed_controller(level: Level) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", CONTROLLER, level.value, INSIDE],
        stdout=subprocess.PIPE,
        cwd=ROOT,
    )
    with process:
        assert process.stdout is not None
        said = process.stdout.readline()
        family = family_of(process.pid)
        # Opened while all live: a pid alone could be another process later.
        watched = [os.pidfd_open(pid) for pid in family]
        process.kill()
    assert said == b"running\n"
    # The controller, the zygote and three children; bubblewrap adds two.
    assert len(family) >= 5
    for fd in watched:
        # Readable when the process has ended.
        poller = select.poll()
        poller.register(fd, select.POLLIN)
        assert poller.poll(20_000), "a process outlived its controller by 20 s"
        os.close(fd)


@pytest.mark.skipif(bool(NO_CONTAINER), reason=NO_CONTAINER or "podman works")
def test_no_container_outlives_a_killed_controller() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", CONTROLLER, "container", INSIDE],
        stdout=subprocess.PIPE,
        cwd=ROOT,
    )
    with process:
        assert process.stdout is not None
        said = process.stdout.readline()
        # Its parent is podman's monitor, which is nobody's child: it is found by the container's name.
        front = b"".join(Path(f"/proc/{pid}/cmdline").read_bytes() for pid in family_of(process.pid))
        name = re.search(rb"evoarch-[0-9a-f]{32}", front)
        assert name is not None, front
        shown = subprocess.run(
            ["podman", "inspect", "--format={{.State.Pid}}", name[0].decode()],
            capture_output=True,
            text=True,
            check=True,
        )
        family = family_of(int(shown.stdout))
        watched = [os.pidfd_open(pid) for pid in family]
        process.kill()
    assert said == b"running\n"
    assert len(family) == 4
    for fd in watched:
        poller = select.poll()
        poller.register(fd, select.POLLIN)
        assert poller.poll(20_000), "a process outlived its controller by 20 s"
        os.close(fd)
