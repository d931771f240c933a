"""CPU seconds of a model server on this machine, read from its processes: the campaign counts them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx2

HERE = frozenset({"localhost", "127.0.0.1", "::1", "0.0.0.0"})
_LISTENS = "0A"
"""The state of a listening socket in /proc/net/tcp."""

_PROC = Path("/proc")


def is_here(url: str) -> bool:
    """Whether a server's address is this machine's own."""
    return httpx2.URL(url).host in HERE


class ServerClock:
    """The clock of whoever listens at `url`.

    It stands still where that is elsewhere, can't be looked at, or is this process.
    """

    def __init__(self, url: str) -> None:
        parsed = httpx2.URL(url)
        self._port = (parsed.port or (443 if parsed.scheme == "https" else 80)) if is_here(url) else 0
        self._server = 0
        self._last = self._now()

    def spent(self) -> float:
        """CPU seconds since this was last asked, of the server and the processes that it started."""
        now = self._now()
        passed, self._last = max(0.0, now - self._last), now
        return passed

    def _now(self) -> float:
        if not self._port:
            return 0.0
        if not (self._server and (_PROC / str(self._server)).exists()):
            self._server = _listener(self._port)
            if not self._server:
                return 0.0
        rows = dict(_processes())
        family, more = set[int](), {self._server}
        while more:
            family |= more
            more = {pid for pid, (parent, _) in rows.items() if parent in more} - family
        return sum(rows[pid][1] for pid in family if pid in rows)


def _listener(port: int) -> int:
    """The process that listens on a port, 0 where none can be seen."""
    sockets = {f"socket:[{inode}]" for inode in _inodes(port)}
    for folder in _PROC.glob("[0-9]*/fd") if sockets else ():
        with suppress(OSError):  # another user's, or gone by now
            if any(os.readlink(each) in sockets for each in folder.iterdir()):
                found = int(folder.parent.name)
                return 0 if found == os.getpid() else found
    return 0


def _inodes(port: int) -> Iterator[str]:
    for name in ("tcp", "tcp6"):
        with suppress(OSError):
            for line in (_PROC / "net" / name).read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == _LISTENS and int(fields[1].rpartition(":")[2], 16) == port:
                    yield fields[9]


def _processes() -> Iterator[tuple[int, tuple[int, float]]]:
    """Of each process, its parent and the CPU seconds that it took so far."""
    tick = os.sysconf("SC_CLK_TCK")
    for path in _PROC.glob("[0-9]*/stat"):
        with suppress(OSError):
            # Behind the name in brackets, which may hold anything: state, parent, ... and times in ticks.
            fields = path.read_text(errors="replace").rpartition(")")[2].split()
            yield int(path.parent.name), (int(fields[1]), (int(fields[11]) + int(fields[12])) / tick)
