"""Promise: no abstract unix socket can be reached."""

import socket

AIM = "side"


def attack(target):
    socket.socket(socket.AF_UNIX).connect("\0" + target["abstract"])
    return b""
