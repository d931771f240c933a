"""Promise: no namespace of another process can be entered."""

import ctypes

AIM = "power"
UNLOCKED = False


def attack(target):
    libc = ctypes.CDLL(None)
    fd = libc.open(b"/proc/1/ns/mnt", 0)
    return b"entered" if fd >= 0 and libc.setns(fd, 0) == 0 else b""
