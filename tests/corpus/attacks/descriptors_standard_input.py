"""Promise: standard input holds nothing and output reaches no terminal."""

import os

AIM = "power"
UNLOCKED = False


def attack(target):
    return os.read(0, 100)
