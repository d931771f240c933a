"""Promise: the zygote's control socket cannot be written to."""

import os

AIM = "zygote"
UNLOCKED = False


def attack(target):
    for number in range(4, 1024):
        try:
            os.write(number, b'{"op": "ended", "id": 1}')
        except OSError:
            pass
    return b""
