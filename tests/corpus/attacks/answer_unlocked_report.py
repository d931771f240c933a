"""Promise: a child cannot pass its own failure for one of the walls."""

import os

AIM = "zygote"
UNLOCKED = False


def attack(target):
    for number in (3, 4, 5):
        try:
            os.write(number, b"a child could not lock itself up")
        except OSError:
            pass
    os._exit(1)
