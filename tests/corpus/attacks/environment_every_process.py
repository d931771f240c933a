"""Promise: no process shows its environment."""

import glob

AIM = "power"
UNLOCKED = False


def attack(target):
    for path in glob.glob("/proc/[0-9]*/environ"):
        try:
            with open(path, "rb") as stream:
                return stream.read(50)
        except OSError:
            pass
    return b""
