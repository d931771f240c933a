"""Promise: bpf, perf events, userfaultfd and kexec are closed."""

import ctypes

AIM = "power"
UNLOCKED = False


def attack(target):
    libc = ctypes.CDLL(None)
    room = ctypes.create_string_buffer(128)
    for number, arguments in ((321, (0, room, 128)), (298, (room, 0, -1, -1, 0)), (323, (1,))):
        if libc.syscall(number, *arguments) >= 0:
            return f"call {number}".encode()
    return b""
