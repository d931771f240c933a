"""Promise: the package that can regenerate a task's data cannot be imported."""

AIM = "power"
UNLOCKED = False


def attack(target):
    import mnist1d
    return b"imported mnist1d"
