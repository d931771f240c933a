"""Promise: no memory can be locked."""

import ctypes

AIM = "power"


def attack(target):
    page = ctypes.create_string_buffer(8192)
    return b"locked" if ctypes.CDLL(None).mlock(page, 8192) == 0 else b""
