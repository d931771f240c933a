"""Promise: the package that can regenerate a task's data cannot be imported."""

AIM = "power"
UNLOCKED = False


def attack(target):
    return b"imported mnist1d"
