"""Promise: no System V shared memory can be made: it would outlive the child."""

import ctypes

AIM = "power"


def attack(target):
    libc = ctypes.CDLL(None)
    segment = libc.shmget(0, 4096, 0o1600)
    if segment >= 0:
        libc.shmctl(segment, 0, None)
        return b"a segment"
    return b""
