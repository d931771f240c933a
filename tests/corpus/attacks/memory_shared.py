"""Promise: shared anonymous pages are limited."""

import mmap

AIM = "limit"
LIMIT = "evaluation.memory"


def attack(target):
    held = []
    while True:
        held.append(mmap.mmap(-1, 1 << 22))
        held[-1].write(b"x" * (1 << 22))
