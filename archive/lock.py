"""One run at a time: a lock on `run.lock` that the kernel releases when its holder dies, however it dies."""

from __future__ import annotations

import fcntl
import os
import socket
import time
from pathlib import Path
from types import TracebackType

from evoarch.archive.errors import ArchiveError, one_line
from evoarch.archive.private_files import open_private

FILE = "run.lock"
TRIES = 5
"""`is_locked` holds the lock for an instant: a run that meets it tries again, after `PAUSE` seconds."""
PAUSE = 0.02


class RunLock:
    """Held while it is entered. Raises ArchiveError, naming the holder, where another run has it.

    The descriptor is closed on exec, so programs that the run starts do not keep the lock after it.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self._descriptor: int | None = None

    def __enter__(self) -> RunLock:
        with one_line(self._path):
            descriptor = open_private(self._path, os.O_RDWR | os.O_CREAT)
        try:
            self._take(descriptor)
            with one_line(self._path):
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, f"pid {os.getpid()} on {socket.gethostname()}\n".encode(), 0)
        except BaseException:  # whatever it was: cleaned up after, then raised on
            os.close(descriptor)
            raise
        self._descriptor = descriptor
        return self

    def _take(self, descriptor: int) -> None:
        for attempt in range(TRIES):
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                if attempt + 1 < TRIES:
                    time.sleep(PAUSE)
        holder = os.pread(descriptor, 200, 0).decode(errors="replace").strip() or "pid unknown"
        raise ArchiveError(f"{self._path}: another run holds this campaign ({holder}); one run at a time")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def is_locked(folder: Path) -> bool:
    """Whether a run is going on in `folder` now."""
    try:
        descriptor = os.open(folder / FILE, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise ArchiveError(f"{folder / FILE}: {error.strerror}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
