"""Promise: a child cannot ask to be traced either."""

import ctypes

AIM = "power"


def attack(target):
    return b"traced" if ctypes.CDLL(None).ptrace(0, 0, 0, 0) == 0 else b""
