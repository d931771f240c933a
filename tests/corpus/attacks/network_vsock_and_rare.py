"""Promise: rare socket families (vsock, alg, bluetooth, xdp) are closed as the common ones are."""

import socket

AIM = "power"


def attack(target):
    for family in (socket.AF_ALG, 40, 31, 44, 16):
        for kind in (1, 2, 3, 5):
            try:
                socket.socket(family, kind)
                return f"family {family}".encode()
            except OSError:
                pass
    return b""
