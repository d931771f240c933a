"""Trackers beside a run: a process for each, started with the run and never waited for while it goes on."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from evoarch.agent.base.package import ROOT
from evoarch.agent.config.tracking import TrackTable
from evoarch.agent.tracking.feed import note, told
from evoarch.archive.store import open_archive

AT_THE_END = 15.0
"""Seconds that a run waits, when it has ended, for what its trackers have not been told yet."""

BESIDE = 10
"""How far a tracker's process stands back from a run."""

LATE = "it took longer than {seconds:g} s; `evoarch track` goes on from there"


@contextmanager
def tracked(
    folder: Path, tables: Sequence[TrackTable], seconds: float = AT_THE_END, nice: int = BESIDE
) -> Iterator[None]:
    """Inside, each tracker is told of the campaign in `folder`; at the end each has `seconds` more. `nice`:
    by how much their processes stand back from others, 0 to 19.
    """
    started: list[tuple[TrackTable, subprocess.Popen[bytes]]] = []
    with ExitStack() as stack:
        for table in tables:
            started.append((table, _start(folder, table, nice)))
            stack.callback(_stop, started[-1][1])
        yield
        until = time.monotonic() + seconds
        for _, process in started:
            assert process.stdin is not None
            process.stdin.close()
        for table, process in started:
            _wait(folder, table, process, until, seconds)


def catch_up(folder: Path, table: TrackTable, seconds: float) -> str:
    """Tells one tracker of all that it does not know yet, for at most `seconds`. Why that failed, or ""."""
    with tracked(folder, [table], seconds, nice=0):
        pass
    with open_archive(folder, write=False) as store:
        return told(store, table.tracker).failed


def _start(folder: Path, table: TrackTable, nice: int) -> subprocess.Popen[bytes]:
    command = (sys.executable, "-P", "-m", "evoarch.agent.tracking.process")
    return subprocess.Popen(
        [*command, str(os.getpid()), str(folder.resolve()), table.tracker, str(nice)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *_given()])},
        cwd=folder,
        start_new_session=True,  # Ctrl-C is the run's: what is to be told last is told
    )


def _given() -> list[str]:
    return [given] if (given := os.environ.get("PYTHONPATH")) else []


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.kill()
        process.wait()


def _wait(
    folder: Path, table: TrackTable, process: subprocess.Popen[bytes], until: float, seconds: float
) -> None:
    """Waits for the process; where it is late or broke, the archive's line of this tracker says so."""
    try:
        code = process.wait(max(0.0, until - time.monotonic()))
    except subprocess.TimeoutExpired:
        problem = LATE.format(seconds=seconds)
    else:
        if code == 0:
            return
        problem = f"its process ended with code {code}"
    with open_archive(folder, write=True) as store:
        known = told(store, table.tracker)
        note(store, table.tracker, replace(known, failed=known.failed or problem))
