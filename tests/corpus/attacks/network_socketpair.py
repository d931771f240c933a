"""Promise: no socket pair can be had (it could carry descriptors)."""

import socket

AIM = "power"


def attack(target):
    socket.socketpair()
    return b"a pair"
