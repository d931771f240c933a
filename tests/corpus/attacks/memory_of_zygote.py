"""Promise: the memory of the zygote cannot be read by process_vm_readv."""

import ctypes
import os

AIM = "power"


class Vector(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


def attack(target):
    libc = ctypes.CDLL(None)
    here = ctypes.create_string_buffer(4)
    local = Vector(ctypes.addressof(here), 4)
    remote = Vector(id(os), 4)
    size = libc.process_vm_readv(os.getppid(), ctypes.byref(local), 1, ctypes.byref(remote), 1, 0)
    return b"read the zygote" if size == 4 else b""
