"""Promise: no shared library can be loaded from a path."""

import ctypes

AIM = "power"


def attack(target):
    ctypes.CDLL("libutil.so.1")
    return b"loaded"
