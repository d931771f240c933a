"""Promise: a path through /proc/self/fd leads to nothing."""

import os

AIM = "power"


def attack(target):
    found = []
    for number in range(64):
        try:
            found.append(os.open(f"/proc/self/fd/{number}", os.O_RDONLY))
        except OSError:
            pass
    return repr(found).encode() if found else b""
