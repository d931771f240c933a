"""An external program, run to its end with everything that it starts. See docs/own-trainer.md.

The program is the user's and runs generated code: what walls stand around it is the caller's to say
(sandbox.external_walls). Here it is kept to its limits, and nothing of it outlives its end, its deadline, a
cancelled run or a killed controller.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evoarch.sandbox import keeper, wire
from evoarch.sandbox.environment import own
from evoarch.sandbox.outcome import Usage

TAIL_BYTES = 8192
TAIL_LINES = 3
_DRAIN_SECONDS = 2.0


@dataclass(frozen=True)
class Bounds:
    """`wall_clock` in seconds; `memory` in bytes resident in all processes together (0: no limit); `output`
    in bytes, of the output folder and of any one file; `processes`: how many at once.
    """

    wall_clock: float
    output: int
    memory: int = 0
    processes: int = 512


@dataclass(frozen=True)
class Ended:
    """How a program ended. `status` as of waitpid (None: it was stopped before, or did not start), `struck`:
    the name of the bound that it broke, `said`: the last lines of its stderr, `problem`: what kept it from
    being started or kept.
    """

    status: int | None
    struck: str
    said: str
    problem: str
    usage: Usage


async def run_external(
    command: Sequence[str], *, folder: Path, output: Path, variables: Mapping[str, str], bounds: Bounds
) -> Ended:
    """Runs `command` in `folder` with no other environment than `variables` and nothing on its standard
    input.

    Cancelled, it ends the program first. Never raises for what the program does.
    """
    began = time.monotonic()
    spec = {
        "command": list(command),
        "parent": os.getpid(),
        "wall": bounds.wall_clock,
        "memory": bounds.memory,
        "processes": bounds.processes,
        "output": str(output),
        "size": bounds.output,
    }
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    try:
        process = await asyncio.create_subprocess_exec(
            *(own().executable, "-I", "-S", keeper.__file__, str(theirs.fileno()), json.dumps(spec)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            cwd=folder,
            env=dict(variables),
            pass_fds=(theirs.fileno(),),
            start_new_session=True,
        )
    except OSError as error:
        ours.close()
        return Ended(None, "", "", f"not started: {error}", Usage())
    except BaseException:  # cancelled: a keeper that was started all the same ends with its channel
        ours.close()
        raise
    finally:
        theirs.close()
    assert process.stderr is not None
    reading = asyncio.create_task(_tail(process.stderr))
    try:
        report = await _report(ours)
    finally:
        # The keeper takes the closed channel for the order to end everything.
        ours.close()
        await asyncio.shield(process.wait())
        # A program that got away could hold the pipe open for ever.
        await asyncio.wait([reading], timeout=_DRAIN_SECONDS)
        reading.cancel()
    said = reading.result() if reading.done() and not reading.cancelled() else ""
    if not report:
        return Ended(None, "", said, f"its keeper ended with status {process.returncode}", Usage())
    usage = Usage(time.monotonic() - began, float(report["cpu"]), int(report["rss"]))
    return Ended(report["status"], report["struck"], said, wire.text(report["problem"]), usage)


async def _report(channel: socket.socket) -> dict[str, Any]:
    loop = asyncio.get_running_loop()
    data = b""
    while part := await loop.sock_recv(channel, 65_536):
        data += part
    return dict(json.loads(data)) if data else {}


async def _tail(stream: asyncio.StreamReader) -> str:
    """The last lines of a stream, as one line that is safe to print."""
    kept = b""
    while part := await stream.read(65_536):
        kept = (kept + part)[-TAIL_BYTES:]
    lines = [" ".join(wire.text(line).split()) for line in kept.decode(errors="replace").splitlines()]
    return " | ".join([line for line in lines if line][-TAIL_LINES:])
