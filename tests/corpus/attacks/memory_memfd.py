"""Promise: memory files, which no limit counts, cannot be made."""

import os

AIM = "power"


def attack(target):
    fd = os.memfd_create("big")
    os.ftruncate(fd, 1 << 40)
    return b"a memory file"
