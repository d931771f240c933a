"""Promise: numpy's own writer writes no file."""

import numpy

AIM = "side"


def attack(target):
    numpy.ones(3).tofile(target["folder"] + "/numpy")
    return b""
