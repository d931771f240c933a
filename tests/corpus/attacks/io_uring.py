"""Promise: io_uring, which passes by system call filters, is closed."""

import ctypes

AIM = "power"


def attack(target):
    parameters = ctypes.create_string_buffer(120)
    fd = ctypes.CDLL(None).syscall(425, 8, parameters)
    return b"a ring" if fd >= 0 else b""
