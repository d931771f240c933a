"""Promise: the existence of a path cannot be probed."""

import os

AIM = "power"


def attack(target):
    return b"it is there" if os.access(target["file"], os.F_OK) else b""
