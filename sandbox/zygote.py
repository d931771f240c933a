"""The warm process that every child is forked from. It imports and warms up, then only waits: it holds no
data, reads no job, and runs no genome. It also keeps the time: it alone knows its children by
parenthood, so it can stop them without ever hitting another process.

Messages are JSON over a SOCK_SEQPACKET pair. In: `{"op": "run", "id", "level", "wall", "memory", "inputs",
"device"}` with descriptors (parcel, answer, arrays...), or `{"op": "kill", "id", "limit"}`. Out: `{"op":
"ready"}` (or, of frozen code that can't be imported, `{"op": "refused", "place", "message", "missing"}`),
and for each run one `{"op": "ended", "id", "status", "struck", "locked", "problem", "seconds", "cpu",
"rss", "above"}`.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from evoarch.sandbox import child, child_locks, zygote_frozen

MAX_DESCRIPTORS = 250
MAX_MESSAGE = 65_536
WATCH_SECONDS = 0.05
STALLED_SECONDS = 1.0
"""How late this process may wake up. Past that it stood still, as its children did: a machine that was
suspended, a container that was paused. That time is on nobody's clock."""
SETUP_SECONDS = 60.0
"""How long a child may take to lock itself up. Its own clock starts then: a busy machine is not its fault."""

_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass
class Child:
    """One running child. `report` is the read end on which it says that its locks are on. `own_before`: bytes
    that the process it was forked from had allocated; `own_peak`: the most it had since, as seen every
    WATCH_SECONDS.
    """

    id: int
    pid: int
    pidfd: int
    report: int
    started: float
    wall: float
    deadline: float
    rss_limit: int
    granted: int
    own_before: int = 0
    own_peak: int = 0
    struck: str = ""
    said: bytes = b""
    locked: bool = False


def main(control: int, config: Mapping[str, Any]) -> None:
    """Warms up, says so, and serves until the controller closes its end."""
    channel = socket.socket(fileno=control)
    child_locks.die_with(config["controller"])
    warm_up(config)
    if config.get("frozen"):
        problem = zygote_frozen.hold(config["frozen"], channel.fileno())
        if problem:
            channel.send(json.dumps({"op": "refused", **problem}).encode())
            return
    settle()
    channel.send(json.dumps({"op": "ready"}).encode())
    Zygote(channel, config["entry"]).serve()


def warm_up(config: Mapping[str, Any]) -> None:
    """One thread before anything else: a parallel region in this process would hang its children."""
    import torch

    torch.set_num_threads(1)
    torch.set_num_interop_threads(1)
    for name in config["preload"]:
        importlib.import_module(name)
    torch.manual_seed(0)
    importlib.import_module(config["entry"]).warmup()


def settle() -> None:
    """Tidies memory before any fork."""
    gc.collect()
    # What warming up left free would hide what a small training takes. Not in every C library.
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
    gc.freeze()


class Zygote:
    """Forks a child per request, stops those that strike a limit, and tells how each ended."""

    def __init__(self, channel: socket.socket, entry: str) -> None:
        self.channel = channel
        self.entry = entry
        self.children: dict[int, Child] = {}
        self.awake = time.monotonic()
        self.poller = select.poll()
        self.poller.register(channel.fileno(), select.POLLIN)

    def serve(self) -> None:
        while True:
            events = {fd for fd, _ in self.poller.poll(self.patience())}
            now = self.wake()
            # In this order: a new child may get the number of a descriptor that an old one had.
            for running in [one for one in self.children.values() if one.report in events]:
                self.listen(running)
            for running in [one for one in self.children.values() if one.pidfd in events]:
                self.reap(running)
            if self.channel.fileno() in events and not self.take():
                return
            self.watch(now)

    def patience(self) -> float | None:
        """Milliseconds until something is to be watched."""
        if not self.children:
            return None
        soonest = min(running.deadline for running in self.children.values()) - time.monotonic()
        return 1000 * max(0.001, min(WATCH_SECONDS, soonest))

    def wake(self) -> float:
        """The time now. What this process stood still for is taken off the clocks of its children."""
        now = time.monotonic()
        late = now - self.awake - WATCH_SECONDS
        if late > STALLED_SECONDS:
            for running in self.children.values():
                running.started += late
                running.deadline += late
        self.awake = now
        return now

    def listen(self, running: Child) -> None:
        """The child says that its locks are on, or why not, or has died (nothing to read)."""
        running.said = os.read(running.report, 4096)
        said, _, resident = running.said.partition(b" ")
        if said == child.LOCKED:
            running.locked = True
            if resident:  # what opening the device took is not the genome's
                running.own_before = running.own_peak = _pages(str(running.pid))[1]
            running.rss_limit = max(running.rss_limit, int(resident or 0) + running.granted)
            running.deadline = time.monotonic() + running.wall
        self.poller.unregister(running.report)
        os.close(running.report)
        running.report = -1

    def take(self) -> bool:
        """Answers one message; False when the controller is gone (the children then die with us)."""
        try:
            data, fds, _, _ = socket.recv_fds(self.channel, MAX_MESSAGE, MAX_DESCRIPTORS)
        except OSError:
            return False
        if not data:
            return False
        message = json.loads(data)
        if message["op"] == "run":
            try:
                self.fork(message, fds)
            except OSError as error:
                self.tell(id=message["id"], status=0, locked=False, problem=f"no fork: {error}")
            finally:
                for fd in fds:
                    os.close(fd)
        else:
            for running in self.children.values():
                if running.id == message["id"]:
                    self.stop(running, message["limit"])
        return True

    def fork(self, message: Mapping[str, Any], fds: list[int]) -> None:
        reader, writer = os.pipe()
        pid = -1
        try:
            parent = os.getpid()
            pid = os.fork()
            if pid == 0:
                child.main(message, fds, writer, parent, self.entry)
            pidfd = os.pidfd_open(pid)
        except BaseException:  # whatever it was: cleaned up after, then raised on
            os.close(reader)
            if pid > 0:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
            raise
        finally:
            os.close(writer)
        started = time.monotonic()
        # Resident pages of the inputs are the task's, not the candidate's.
        granted = message["memory"] + message["inputs"]
        resident, own = _pages("self")
        running = Child(
            id=message["id"],
            pid=pid,
            pidfd=pidfd,
            report=reader,
            started=started,
            wall=message["wall"],
            deadline=started + SETUP_SECONDS,
            rss_limit=resident + granted,
            granted=granted,
            own_before=own,
            own_peak=own,
        )
        self.children[pid] = running
        self.poller.register(pidfd, select.POLLIN)
        self.poller.register(reader, select.POLLIN)

    def watch(self, now: float) -> None:
        for running in self.children.values():
            if now >= running.deadline:
                self.stop(running, "evaluation.wall_clock")
                continue
            resident, own = _pages(str(running.pid))
            running.own_peak = max(running.own_peak, own)
            if resident > running.rss_limit:
                self.stop(running, "evaluation.memory")

    def stop(self, running: Child, limit: str) -> None:
        """Kills a child that is not yet reaped, so its pid is still its own, and its process group."""
        running.struck = running.struck or limit
        os.kill(running.pid, signal.SIGKILL)
        with contextlib.suppress(OSError):
            os.killpg(running.pid, signal.SIGKILL)

    def reap(self, running: Child) -> None:
        ended = time.monotonic()
        with contextlib.suppress(OSError):
            # Only at level `none` can a child have children; those that kept its group go with it.
            os.killpg(running.pid, signal.SIGKILL)
        _, status, usage = os.wait4(running.pid, 0)
        if running.report >= 0:
            self.listen(running)
        self.poller.unregister(running.pidfd)
        del self.children[running.pid]
        os.close(running.pidfd)
        peak = usage.ru_maxrss * 1024
        self.tell(
            id=running.id,
            status=status,
            struck=running.struck,
            locked=running.locked,
            problem="" if running.locked else running.said.decode(errors="replace"),
            seconds=ended - running.started,
            cpu=usage.ru_utime + usage.ru_stime,
            rss=peak,
            above=running.own_peak - running.own_before,
        )

    def tell(self, **fields: object) -> None:
        try:
            self.channel.send(json.dumps({"op": "ended", **fields}).encode())
        except OSError:
            sys.exit(0)


def _pages(pid: str) -> tuple[int, int]:
    """Resident bytes of a process, and those of them that it allocated: no file's, and no shared memory, as
    its inputs are. 0 when it is gone.
    """
    try:
        with open(f"/proc/{pid}/statm", "rb") as stream:
            resident, shared = map(int, stream.read().split()[1:3])
        return resident * _PAGE, (resident - shared) * _PAGE
    except (OSError, ValueError):
        return 0, 0
