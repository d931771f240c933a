"""Promise: no second filter can hide the first."""

import ctypes

AIM = "power"


def attack(target):
    program = ctypes.create_string_buffer(b"\x06\0\0\0\0\0\xff\x7f")

    class Filter(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_void_p))

    pointer = Filter(1, ctypes.addressof(program))
    libc = ctypes.CDLL(None)
    libc.prctl(38, 1, 0, 0, 0)
    return b"a filter" if libc.syscall(317, 1, 0, ctypes.byref(pointer)) == 0 else b""
