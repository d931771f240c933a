"""Keeps one external program: run as `python -I -S keeper.py CONTROL SPEC`, it starts the program, watches
it, and sees to it that nothing of it is left. It imports nothing of this project.

SPEC is JSON: `command`, `parent` (pid of the controller), `wall` (seconds), `memory` (bytes resident in all
its processes, 0: no limit), `processes`, `output` (a folder), `size` (bytes in it, and in any one file). When
the program has ended, been stopped, or the controller is gone, every descendant is killed, those that made a
session of their own included: orphans become the keeper's children (PR_SET_CHILD_SUBREAPER). Then one JSON
object goes to CONTROL: `status` (as of waitpid), `struck` (the limit), `cpu` (seconds), `rss` (peak bytes),
`problem`.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import select
import signal
import sys
import time
from collections.abc import Mapping
from typing import Any

TICK_SECONDS = 0.1
"""How often limits are looked at."""

STALLED_SECONDS = 1.0
"""How late this process may wake up, as in zygote.py."""

_SET_PDEATHSIG, _SET_CHILD_SUBREAPER = 1, 36
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Keeper:
    """One program and its descendants."""

    def __init__(self, spec: Mapping[str, Any]) -> None:
        self.spec = spec
        self.status: int | None = None
        self.struck = ""
        self.peak = 0
        self.pid = -1

    def run(self, control: int) -> dict[str, object]:
        """Starts the program and keeps it until its end."""
        ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, ctypes.c_ulong(1), 0, 0, 0)
        problem = self.start(control)
        awake = time.monotonic()
        deadline = awake + self.spec["wall"]
        poller = select.poll()
        poller.register(control, select.POLLIN)
        while not problem and self.status is None and not self.struck:
            told = poller.poll(1000 * TICK_SECONDS)
            now = time.monotonic()
            awake, deadline = now, deadline + stalled(awake, now)
            if told or os.getppid() != self.spec["parent"]:
                self.struck = "cancelled"
            elif now >= deadline:
                self.struck = "wall_clock"
            else:
                self.watch()
            self.reap()
        self.end()
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return {
            "status": self.status,
            "struck": self.struck,
            "cpu": usage.ru_utime + usage.ru_stime,
            "rss": max(self.peak, usage.ru_maxrss * 1024),
            "problem": problem,
        }

    def start(self, control: int) -> str:
        """Forks the program; what kept it from starting, or ""."""
        reader, writer = os.pipe()
        keeper = os.getpid()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                os.close(control)
                # Should the keeper be killed, the program goes at least, and with bubblewrap all of it.
                ctypes.CDLL(None).prctl(_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGKILL), 0, 0, 0)
                if os.getppid() != keeper:
                    os._exit(1)
                # What this process and Python ignore, its children would ignore too.
                for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:
                    signal.signal(number, signal.SIG_DFL)
                resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
                resource.setrlimit(resource.RLIMIT_FSIZE, (self.spec["size"], self.spec["size"]))
                command = self.spec["command"]
                os.execvp(command[0], command)
            except OSError as error:
                os.write(writer, f"{command[0]}: {error.strerror}".encode())
            finally:
                os._exit(127)
        os.close(writer)
        with os.fdopen(reader, "rb") as stream:
            return stream.read(4096).decode(errors="replace")

    def watch(self) -> None:
        """Strikes what grew beyond its limit."""
        family = descendants()
        resident = sum(family.values())
        self.peak = max(self.peak, resident)
        if self.spec["memory"] and resident > self.spec["memory"]:
            self.struck = "memory"
        elif len(family) > self.spec["processes"]:
            self.struck = "processes"
        elif size_of(self.spec["output"], self.spec["size"]) > self.spec["size"]:
            self.struck = "output"

    def reap(self) -> bool:
        """Takes leave of whoever has ended; whether any child is left."""
        with contextlib.suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    return True
                if pid == self.pid:
                    self.status = status
        return False

    def end(self) -> None:
        """Kills until nobody is left: who forks while being killed is found in the next round."""
        while self.reap():
            for pid in descendants():
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.005)


def stalled(before: float, now: float) -> float:
    """Seconds for which this process stood still between two looks, its program with it: a machine that was
    suspended, a container that was paused. They are on nobody's clock. 0 where it was only a bit late.
    """
    late = now - before - TICK_SECONDS
    return late if late > STALLED_SECONDS else 0.0


def descendants() -> dict[int, int]:
    """Every descendant of this process, with the bytes that it alone has resident."""
    parents = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError, IndexError), open(f"/proc/{entry}/stat", "rb") as stream:
                parents[int(entry)] = int(stream.read().rpartition(b")")[2].split()[1])
    found: dict[int, int] = {}
    own = os.getpid()
    for pid in parents:
        line = pid
        while line in parents and line != own:
            line = parents[line]
        if line == own and pid != own:
            found[pid] = _resident(pid)
    return found


def _resident(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/statm", "rb") as stream:
            fields = stream.read().split()
        # Without what is shared with files: libraries are counted for nobody.
        return (int(fields[1]) - int(fields[2])) * _PAGE
    except (OSError, IndexError):
        return 0


def size_of(folder: str, enough: int) -> int:
    """Bytes of the files below a folder; counting ends above `enough`, a file counts for a page at least."""
    total, waiting = 0, [folder]
    while waiting and total <= enough:
        with contextlib.suppress(OSError), os.scandir(waiting.pop()) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    total += max(_PAGE, entry.stat(follow_symlinks=False).st_size)
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                if total > enough:
                    break
    return total


def main() -> None:
    control = int(sys.argv[1])
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # It ends when its work is done, or with its controller; never before what it keeps.
        signal.signal(number, signal.SIG_IGN)
    report = Keeper(json.loads(sys.argv[2])).run(control)
    with contextlib.suppress(OSError):
        os.write(control, json.dumps(report).encode())


if __name__ == "__main__":
    main()
