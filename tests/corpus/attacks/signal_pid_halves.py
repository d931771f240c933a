"""Promise: the check of a signal's target looks at the call and not at what Python shows."""

import ctypes
import os

AIM = "power"


def attack(target):
    libc = ctypes.CDLL(None)
    for pid in (os.getppid(), 1, 0, -1, -os.getppid()):
        for number in (62, 234, 200):
            if libc.syscall(ctypes.c_long(number), ctypes.c_long(pid), ctypes.c_long(0), ctypes.c_long(0)) == 0:
                return f"{number} to {pid}".encode()
    return b""
