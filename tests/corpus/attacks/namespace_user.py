"""Promise: no new namespace can be made."""

import ctypes

AIM = "power"


def attack(target):
    return b"a user namespace" if ctypes.CDLL(None).unshare(0x10000000) == 0 else b""
