"""Promise: no process can be made by vfork, clone or clone3."""

import ctypes
import os

AIM = "power"


def attack(target):
    libc = ctypes.CDLL(None, use_errno=True)
    pid = os.getpid()
    for number, arguments in ((57, ()), (56, (17, 0, 0, 0, 0)), (435, (ctypes.create_string_buffer(88), 88))):
        got = libc.syscall(number, *arguments)
        if got == 0 and os.getpid() != pid:
            os._exit(0)
        if got > 0:
            os.waitpid(got, 0)
            return b"a process"
    return b""
