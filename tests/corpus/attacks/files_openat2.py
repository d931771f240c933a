"""Promise: newer calls that open files are denied as the old ones are."""

import ctypes
import os
import struct

AIM = "loot"


def attack(target):
    libc = ctypes.CDLL(None)
    how = ctypes.create_string_buffer(struct.pack("QQQ", 0, 0, 0))
    fd = libc.syscall(437, -100, target["file"].encode(), how, 24)
    return os.read(fd, 100)
