"""Promise: a child cannot take off what it put on: dumpable, death signal."""

import ctypes

AIM = "power"


def attack(target):
    libc = ctypes.CDLL(None)
    done = [name for name, option in (("dumpable", 4), ("death signal", 1)) if libc.prctl(option, 0, 0, 0, 0) == 0]
    return ", ".join(done).encode()
