"""The filter's code, run by a small interpreter: what it says to any call on both processors."""

from __future__ import annotations

import errno
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evoarch.sandbox import seccomp

ALLOW, KILL = 0x7FFF0000, 0x80000000
REFUSE = 0x00050000 | errno.EPERM
AUDIT = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
PID = 4_321
# From the kernel's tables: calls that name paths, sockets, processes, threads or kernel objects.
DENIED = {
    "x86_64": {
        "open": 2, "stat": 4, "ioctl": 16, "access": 21, "pipe": 22, "dup": 32, "socket": 41, "connect": 42,
        "bind": 49, "socketpair": 53, "clone": 56, "fork": 57, "vfork": 58, "execve": 59, "fcntl": 72,
        "truncate": 76, "ptrace": 101, "prctl": 157, "setrlimit": 160, "tkill": 200, "io_setup": 206,
        "openat": 257, "unshare": 272, "perf_event_open": 298, "process_vm_readv": 310, "setns": 308,
        "memfd_create": 319, "bpf": 321, "execveat": 322, "userfaultfd": 323, "io_uring_setup": 425,
        "pidfd_open": 434, "openat2": 437, "pidfd_getfd": 438, "shmget": 29, "keyctl": 250, "seccomp": 317,
    },
    "aarch64": {
        "openat": 56, "ioctl": 29, "faccessat": 48, "pipe2": 59, "dup": 23, "socket": 198, "connect": 203,
        "clone": 220, "execve": 221, "fcntl": 25, "ptrace": 117, "prctl": 167, "tkill": 130, "unshare": 97,
        "bpf": 280, "io_uring_setup": 425, "memfd_create": 279, "setns": 268, "process_vm_readv": 270,
        "seccomp": 277, "shmget": 194, "pidfd_open": 434, "openat2": 437, "statx": 291, "newfstatat": 79,
    },
}  # fmt: skip


def decide(
    machine: str,
    number: int,
    arguments: tuple[int, ...] = (),
    audit: int | None = None,
    device: bool = False,
) -> int:
    """Runs the program as the kernel would on `struct seccomp_data`."""
    values = [*arguments, *[0] * (6 - len(arguments))]
    data = struct.pack("=iIQ6Q", number, AUDIT[machine] if audit is None else audit, 0, *values)
    code = list(struct.iter_unpack("=HBBI", seccomp.assemble(machine, PID, device)))
    accumulator = at = 0
    while True:
        operation, yes, no, value = code[at]
        at += 1
        if operation == 0x20:
            (accumulator,) = struct.unpack_from("=I", data, value)
        elif operation == 0x15:
            at += yes if accumulator == value else no
        elif operation == 0x35:
            at += yes if accumulator >= value else no
        else:
            assert operation == 0x06
            return int(value)


@pytest.mark.parametrize("machine", AUDIT)
def test_what_a_child_must_not_do_is_refused(machine: str) -> None:
    assert {name: decide(machine, number) for name, number in DENIED[machine].items()} == dict.fromkeys(
        DENIED[machine], REFUSE
    )


@pytest.mark.parametrize(("machine", "write", "mmap"), [("x86_64", 1, 9), ("aarch64", 64, 222)])
def test_what_training_needs_is_allowed(machine: str, write: int, mmap: int) -> None:
    assert decide(machine, write) == decide(machine, mmap) == ALLOW


@pytest.mark.parametrize(("machine", "kill", "tgkill"), [("x86_64", 62, 234), ("aarch64", 129, 131)])
@given(st.integers(0, 2**64 - 1).filter(lambda pid: pid != PID))
def test_only_itself_can_be_signalled(machine: str, kill: int, tgkill: int, pid: int) -> None:
    for number in (kill, tgkill):
        assert decide(machine, number, (pid, 9)) == REFUSE
        assert decide(machine, number, (PID, 9)) == ALLOW


@pytest.mark.parametrize(("machine", "prlimit"), [("x86_64", 302), ("aarch64", 261)])
def test_limits_can_be_read_and_not_set(machine: str, prlimit: int) -> None:
    assert decide(machine, prlimit, (0, 9, 0, 4096)) == ALLOW
    assert decide(machine, prlimit, (0, 9, 4096, 0)) == REFUSE
    assert decide(machine, prlimit, (0, 9, 1 << 32, 0)) == REFUSE
    assert decide(machine, prlimit, (1, 9, 0, 4096)) == REFUSE


@pytest.mark.parametrize(("machine", "setitimer"), [("x86_64", 38), ("aarch64", 103)])
def test_an_alarm_goes_by_its_own_cpu_time_alone(machine: str, setitimer: int) -> None:
    assert decide(machine, setitimer, (2, 4096, 0)) == ALLOW
    for clock in (0, 1, 3, 2 + (1 << 32)):
        assert decide(machine, setitimer, (clock, 4096, 0)) == REFUSE


@pytest.mark.parametrize("machine", AUDIT)
def test_new_calls_do_not_exist_and_foreign_tables_kill(machine: str) -> None:
    assert decide(machine, 435) == 0x00050000 | errno.ENOSYS
    assert decide(machine, 20, audit=0x40000003) == KILL


@given(st.integers(0x40000000, 0x400003FF))
def test_the_x32_table_is_closed(number: int) -> None:
    assert decide("x86_64", number) == REFUSE


@pytest.mark.parametrize("machine", AUDIT)
def test_a_driver_adds_its_own_calls_and_no_other(machine: str) -> None:
    added = {n: decide(machine, number, device=True) for n, number in DENIED[machine].items()}
    assert {name for name, said in added.items() if said == ALLOW} == {"ioctl", "openat"}
    assert set(added.values()) == {ALLOW, REFUSE}
