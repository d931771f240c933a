"""Promise: the second table of system calls (x32) opens nothing."""

import ctypes
import os

AIM = "loot"
UNLOCKED = False


def attack(target):
    fd = ctypes.CDLL(None).syscall(0x40000002, target["file"].encode(), 0)
    return os.read(fd, 100) if fd >= 0 else b""
