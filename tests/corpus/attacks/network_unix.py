"""Promise: no unix socket of the user can be reached."""

import socket

AIM = "side"


def attack(target):
    socket.socket(socket.AF_UNIX).connect(target["unix"])
    return b""
