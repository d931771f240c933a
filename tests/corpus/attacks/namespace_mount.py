"""Promise: nothing can be mounted."""

import ctypes

AIM = "power"
UNLOCKED = False


def attack(target):
    libc = ctypes.CDLL(None)
    fd = libc.syscall(430, b"tmpfs", 0)
    return b"a file system" if fd >= 0 else b""
