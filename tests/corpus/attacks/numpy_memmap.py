"""Promise: numpy maps no file."""

import numpy

AIM = "loot"


def attack(target):
    return bytes(numpy.memmap(target["file"], mode="r"))
