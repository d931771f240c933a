"""The locks that a child puts on itself before it runs a genome. Nothing here can be undone."""

from __future__ import annotations

import ctypes
import math
import os
import resource
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import FileIO

from evoarch.sandbox import landlock, seccomp
from evoarch.sandbox.limits import Level

_SET_PDEATHSIG, _SET_DUMPABLE, _SET_NO_NEW_PRIVS = 1, 4, 38
_CAPABILITY_VERSION_3 = 0x20080522
_NOBODY = 65_534
_DESCRIPTORS, _DRIVER_DESCRIPTORS = 64, 1024
_CAPSET = {"x86_64": 126, "aarch64": 91}

_libc = ctypes.CDLL(None, use_errno=True)


def die_with(parent: int) -> None:
    """SIGKILL when the thread that started this process ends; exits at once if `parent` is already gone.

    `parent` 0 means a parent that this pid namespace does not show.
    """
    _prctl(_SET_PDEATHSIG, signal.SIGKILL)
    if parent and os.getppid() != parent:
        os._exit(1)


@dataclass(frozen=True)
class Driver:
    """A device that is opened between the locks: what may be opened, for it alone, and how."""

    files: Sequence[str]
    reads: Sequence[str]
    open: Callable[[], None]


def restrict(
    level: Level,
    parent: int,
    memory: int,
    cpu_seconds: float,
    output: int,
    driver: Driver | None = None,
) -> None:
    """Puts on every lock of `level`. Raises OSError if one does not close.

    memory: bytes of address space above what is mapped now. cpu_seconds: rounded up. output: bytes that
    one file may grow to. At `none` only the limits and the ties to the parent hold.

    A `driver` is opened as nobody and under Landlock, so that its threads are born with both; the limits
    count from then on, and the filter of calls closes over all threads.
    """
    os.setsid()
    for number in range(1, signal.NSIG):
        if number not in (signal.SIGKILL, signal.SIGSTOP) and signal.getsignal(number) is not None:
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    if level is not Level.NONE:
        _drop_privileges()
    # After any change of user: the kernel clears both then.
    _prctl(_SET_DUMPABLE, 0)
    die_with(parent)
    # In a container, what Landlock would deny has been taken away already.
    landlocked = level is not Level.NONE and (level is not Level.CONTAINER or landlock.abi() > 0)
    spent = 0.0
    with open("/proc/self/statm", "rb", buffering=0) as size:
        if driver is not None:
            if landlocked:
                _prctl(_SET_NO_NEW_PRIVS, 1)
                landlock.restrict(driver.files, driver.reads)
            driver.open()
            spent = time.process_time()
        _limit(resource.RLIMIT_AS, _mapped(size) + memory)
    # The hard limit is SIGKILL, for those that ignore SIGXCPU.
    seconds = max(1, math.ceil(cpu_seconds + spent))
    _limit(resource.RLIMIT_CPU, seconds, seconds + 1)
    _limit(resource.RLIMIT_CORE, 0)
    if level is Level.NONE:
        return
    _limit(resource.RLIMIT_FSIZE, output)
    _limit(resource.RLIMIT_NOFILE, _DRIVER_DESCRIPTORS if driver else _DESCRIPTORS)
    _limit(resource.RLIMIT_NPROC, 0)
    _limit(resource.RLIMIT_MEMLOCK, 0)
    _prctl(_SET_NO_NEW_PRIVS, 1)
    if landlocked and driver is None:
        landlock.restrict()
    seccomp.restrict(driver is not None)


def restrict_zygote(level: Level, files: Sequence[str], reads: Sequence[str]) -> None:
    """Locks up a process that goes on to fork: no file but /proc and those of a driver, no socket, no
    program, no other process's memory. Raises OSError if a lock does not close.
    """
    _prctl(_SET_NO_NEW_PRIVS, 1)
    if level is not Level.CONTAINER or landlock.abi() > 0:
        landlock.restrict(files, ["/proc", *reads])
    seccomp.restrict_zygote()


def _drop_privileges() -> None:
    """From root to nobody where the namespace knows nobody, and no capability in any case."""
    if os.geteuid() == 0:
        try:
            os.setgroups([])
            os.setresgid(_NOBODY, _NOBODY, _NOBODY)
            os.setresuid(_NOBODY, _NOBODY, _NOBODY)
        except OSError:
            # A user namespace without that id: the capabilities still go, below.
            pass
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    nothing = (ctypes.c_uint32 * 6)()
    if _libc.syscall(_CAPSET[os.uname().machine], header, nothing):
        raise OSError(ctypes.get_errno(), "capset failed")


def _mapped(size: FileIO) -> int:
    """Bytes of address space of this process, from its open `/proc/self/statm`."""
    size.seek(0)
    return int(size.read().split()[0]) * resource.getpagesize()


def _limit(which: int, soft: int, hard: int | None = None) -> None:
    """Sets a limit, but never above the hard limit that is already there."""
    _, ceiling = resource.getrlimit(which)
    hard = soft if hard is None else hard
    if ceiling != resource.RLIM_INFINITY:
        soft, hard = min(soft, ceiling), min(hard, ceiling)
    resource.setrlimit(which, (soft, hard))


def _prctl(option: int, value: int) -> None:
    if _libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0):
        raise OSError(ctypes.get_errno(), f"prctl({option}) failed")
