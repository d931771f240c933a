"""Promise: no process can be traced."""

import ctypes
import os

AIM = "power"


def attack(target):
    libc = ctypes.CDLL(None)
    return b"attached" if libc.ptrace(0x4206, os.getppid(), 0, 0) == 0 else b""
