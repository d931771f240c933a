"""Promise: the root cannot be changed."""

import os

AIM = "power"
UNLOCKED = False


def attack(target):
    os.chroot("/")
    return b"a new root"
