"""Promise: a child cannot become root."""

import os

AIM = "power"
UNLOCKED = False


def attack(target):
    os.setresuid(0, 0, 0)
    return b"root"
