"""Promise: a child has no capability."""

import ctypes

AIM = "power"
UNLOCKED = False


def attack(target):
    libc = ctypes.CDLL(None)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    data = (ctypes.c_uint32 * 6)()
    libc.syscall(125, header, data)
    return b"capabilities" if any(data) else b""
