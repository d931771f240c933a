"""Promise: nothing of this project but the inside part can be imported."""

AIM = "power"
UNLOCKED = False


def attack(target):
    import evoarch.archive.records
    return b"imported the archive"
