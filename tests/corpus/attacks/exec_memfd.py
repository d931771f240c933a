"""Promise: no program can be run from memory."""

import ctypes
import os

AIM = "power"


def attack(target):
    fd = os.memfd_create("program")
    with open("/bin/true", "rb") as stream:
        os.write(fd, stream.read())
    pid = os.posix_spawn(f"/proc/self/fd/{fd}", ["x"], {})
    return b"started" if os.waitpid(pid, 0)[1] == 0 else b""
