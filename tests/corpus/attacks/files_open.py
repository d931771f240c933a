"""Promise: no file of the user can be read."""

AIM = "loot"


def attack(target):
    with open(target["file"], "rb") as stream:
        return stream.read()
