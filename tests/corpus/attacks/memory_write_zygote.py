"""Promise: the memory of the zygote cannot be written."""

import ctypes
import os

AIM = "zygote"


class Vector(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


def attack(target):
    libc = ctypes.CDLL(None)
    junk = ctypes.create_string_buffer(b"\xff" * 64, 64)
    local = Vector(ctypes.addressof(junk), 64)
    for thing in (os.read, os.fork, os.wait4, b"", "", (), None, True):
        remote = Vector(id(thing), 64)
        libc.process_vm_writev(os.getppid(), ctypes.byref(local), 1, ctypes.byref(remote), 1, 0)
    return b""
