"""Promise: no descriptor can be taken from another process."""

import ctypes
import os

AIM = "power"


def attack(target):
    libc = ctypes.CDLL(None)
    pidfd = libc.syscall(434, os.getppid(), 0)
    fd = libc.syscall(438, pidfd, 0, 0)
    return b"a descriptor of the zygote" if fd >= 0 else b""
