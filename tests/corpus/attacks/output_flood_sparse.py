"""Promise: the answer cannot be made huge without writing it."""

import os

AIM = "power"
UNLOCKED = False


def attack(target):
    os.ftruncate(3, 1 << 40)
    return b"huge"
