"""Promise: nothing of this project but the inside part can be imported."""

AIM = "power"
UNLOCKED = False


def attack(target):
    return b"imported the archive"
