"""Promise: the kernel's key rings are closed."""

import ctypes

AIM = "power"
UNLOCKED = False


def attack(target):
    serial = ctypes.CDLL(None).syscall(250, 0, -4, 1)
    return b"a key ring" if serial > 0 else b""
