"""Promise: tgkill, tkill, sigqueue and pidfd_send_signal reach no other process."""

import ctypes
import os

AIM = "power"


def attack(target):
    libc = ctypes.CDLL(None)
    parent = os.getppid()
    calls = [(234, parent, parent, 0), (200, parent, 0), (129, parent, 18, 0)]
    if any(libc.syscall(*call) == 0 for call in calls):
        return b"signalled"
    fd = libc.syscall(434, parent, 0)
    return b"a pidfd" if fd >= 0 else b""
