"""Promise: a fork bomb has no first child."""

import os

AIM = "power"


def attack(target):
    count = 0
    for _ in range(20):
        try:
            if os.fork() == 0:
                os._exit(0)
            count += 1
        except OSError:
            pass
    return b"forked" if count else b""
