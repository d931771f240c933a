"""Promise: a flood into the answer is cut off."""

import os

AIM = "limit"
LIMIT = "evaluation.output"
UNLOCKED = False


def attack(target):
    block = b"x" * (1 << 20)
    for _ in range(1 << 12):
        os.write(3, block)
