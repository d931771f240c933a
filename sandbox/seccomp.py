"""A seccomp allow-list, assembled by hand: what a training step needs and nothing that names a path,
a socket, another process or a new thread. Everything else answers EPERM, so that a genome that tries it
fails with a line number instead of a silent death.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct

# Numbers from the kernel's syscall tables: (x86_64, aarch64); -1 where the call does not exist.
_ALLOWED: dict[str, tuple[int, int]] = {
    "read": (0, 63),
    "write": (1, 64),
    "close": (3, 57),
    "lseek": (8, 62),
    "mmap": (9, 222),
    "mprotect": (10, 226),
    "munmap": (11, 215),
    "brk": (12, 214),
    "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "pread64": (17, 67),
    "pwrite64": (18, 68),
    "readv": (19, 65),
    "writev": (20, 66),
    "sched_yield": (24, 124),
    "mremap": (25, 216),
    "madvise": (28, 233),
    "nanosleep": (35, 101),
    "getpid": (39, 172),
    "exit": (60, 93),
    "getcwd": (79, 17),
    "gettimeofday": (96, 169),
    "getrusage": (98, 165),
    "times": (100, 153),
    "getuid": (102, 174),
    "getgid": (104, 176),
    "geteuid": (107, 175),
    "getegid": (108, 177),
    "getppid": (110, 173),
    "sigaltstack": (131, 132),
    "gettid": (186, 178),
    "time": (201, -1),
    "futex": (202, 98),
    "sched_getaffinity": (204, 123),
    "restart_syscall": (219, 128),
    "clock_gettime": (228, 113),
    "clock_getres": (229, 114),
    "clock_nanosleep": (230, 115),
    "exit_group": (231, 94),
    "set_robust_list": (273, 99),
    "getcpu": (309, 168),
    "getrandom": (318, 278),
    "rseq": (334, 293),
}
_DEVICE: dict[str, tuple[int, int]] = {
    "fstat": (5, 80),
    "poll": (7, -1),
    "ioctl": (16, 29),
    "openat": (257, 56),
    "ppoll": (271, 73),
}
"""What a driver in user space goes on calling: it opens its device nodes anew for each mapping. Which paths
those are is for Landlock to say."""
_NEVER: dict[str, tuple[int, int]] = {
    "socket": (41, 198),
    "connect": (42, 203),
    "bind": (49, 200),
    "listen": (50, 201),
    "accept": (43, 202),
    "accept4": (288, 242),
    "socketpair": (53, 199),
    "execve": (59, 221),
    "execveat": (322, 281),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "pidfd_getfd": (438, 438),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "userfaultfd": (323, 282),
    "open_by_handle_at": (304, 265),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "kexec_load": (246, 104),
    "reboot": (169, 142),
}
"""What a zygote with frozen code gives up. It keeps the calls that make, watch and end children."""
_ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
_KILL = (62, 129)
_TGKILL = (234, 131)
_PRLIMIT = (302, 261)
_SETITIMER = (38, 103)
_ITIMER_PROF = 2
_CLONE3 = 435
_X32 = 0x40000000

_LOAD, _JEQ, _JGE, _RETURN = 0x20, 0x15, 0x35, 0x06
_ALLOW, _ERRNO, _KILL_PROCESS = 0x7FFF0000, 0x00050000, 0x80000000
_NR, _ARCH = 0, 4
_SET_MODE_FILTER, _GET_ACTION_AVAIL = 1, 2
_ALL_THREADS = 1
_SECCOMP = {"x86_64": 317, "aarch64": 277}

_libc = ctypes.CDLL(None, use_errno=True)


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def available() -> bool:
    """Whether this kernel and processor can carry the filter."""
    number = _SECCOMP.get(platform.machine())
    if number is None:
        return False
    action = ctypes.c_uint32(_ERRNO)
    return bool(_libc.syscall(number, _GET_ACTION_AVAIL, 0, ctypes.byref(action)) == 0)


def assemble(machine: str, pid: int, device: bool = False) -> bytes:
    """The BPF program for `machine` (platform.machine()) in which only `pid` may be signalled.

    `device`: with the calls of a driver in user space.
    """
    column, architecture = _ARCHITECTURES[machine]
    refuse = [(_RETURN, 0, 0, _ERRNO | errno.EPERM)]
    allow = [(_RETURN, 0, 0, _ALLOW)]
    code = [
        (_LOAD, 0, 0, _ARCH),
        (_JEQ, 1, 0, architecture),
        (_RETURN, 0, 0, _KILL_PROCESS),
        (_LOAD, 0, 0, _NR),
    ]
    if machine == "x86_64":
        code += [(_JGE, 0, 1, _X32), *refuse]
    for numbers in (*_ALLOWED.values(), *(_DEVICE.values() if device else ())):
        if numbers[column] >= 0:
            code += [(_JEQ, 0, 1, numbers[column]), *allow]
    # glibc falls back to clone (refused below) only when clone3 does not exist.
    code += [(_JEQ, 0, 1, _CLONE3), (_RETURN, 0, 0, _ERRNO | errno.ENOSYS)]
    # abort() and a signal to oneself; 0 and -1 would reach others.
    for numbers in (_KILL, _TGKILL):
        code += _only(numbers[column], [(0, pid)])
    # Reading one's own limits: pid 0, no new value.
    code += _only(_PRLIMIT[column], [(0, 0), (2, 0)])
    # An alarm to oneself, on one's own CPU time: many genomes in one child have a limit each.
    code += _only(_SETITIMER[column], [(0, _ITIMER_PROF)])
    code += refuse
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in code)


def assemble_zygote(machine: str) -> bytes:
    """The BPF program of a zygote: everything but `_NEVER`, and no foreign table of calls."""
    column, architecture = _ARCHITECTURES[machine]
    refuse = [(_RETURN, 0, 0, _ERRNO | errno.EPERM)]
    code = [
        (_LOAD, 0, 0, _ARCH),
        (_JEQ, 1, 0, architecture),
        (_RETURN, 0, 0, _KILL_PROCESS),
        (_LOAD, 0, 0, _NR),
    ]
    if machine == "x86_64":
        code += [(_JGE, 0, 1, _X32), *refuse]
    for numbers in _NEVER.values():
        code += [(_JEQ, 0, 1, numbers[column]), *refuse]
    code += [(_RETURN, 0, 0, _ALLOW)]
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in code)


def restrict_zygote() -> None:
    """Installs the filter of a zygote on this process. Needs no_new_privs. Raises OSError."""
    _install(assemble_zygote(platform.machine()), 0)


def restrict(device: bool = False) -> None:
    """Installs the filter on this process. Needs no_new_privs. Raises OSError where the kernel refuses.

    `device`: with a driver's calls, and on all threads, since a driver and torch's backward pass have some.
    """
    _install(assemble(platform.machine(), os.getpid(), device), _ALL_THREADS if device else 0)


def _install(program: bytes, flags: int) -> None:
    machine = platform.machine()
    pointer = _Program(len(program) // 8, program)
    if _libc.syscall(_SECCOMP[machine], _SET_MODE_FILTER, flags, ctypes.byref(pointer)):
        raise OSError(ctypes.get_errno(), "the seccomp filter was refused")


def _only(number: int, arguments: list[tuple[int, int]]) -> list[tuple[int, int, int, int]]:
    """Allows call `number` when each (index, value) matches as 64 bits; falls through otherwise."""
    checks: list[tuple[int, int, int, int]] = []
    for index, value in arguments:
        for half, offset in ((value & 0xFFFFFFFF, 0), (value >> 32, 4)):
            checks += [(_LOAD, 0, 0, 16 + 8 * index + offset), (_JEQ, 0, 0, half)]
    body = [*checks, (_RETURN, 0, 0, _ALLOW), (_LOAD, 0, 0, _NR)]
    # A failed check jumps to the reload of the call number, so that later tests still see it.
    reload_at = len(body) - 1
    patched = [
        (op, yes, reload_at - at - 1 if op == _JEQ else no, value)
        for at, (op, yes, no, value) in enumerate(body)
    ]
    return [(_JEQ, 0, len(patched), number), *patched]
