"""Promise: no TCP connection can be made."""

import socket

AIM = "side"


def attack(target):
    socket.create_connection(("127.0.0.1", target["tcp"]), 0.5)
    return b""
