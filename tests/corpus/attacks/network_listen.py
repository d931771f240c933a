"""Promise: a child cannot listen."""

import socket

AIM = "power"


def attack(target):
    server = socket.socket()
    server.bind(("127.0.0.1", 0))
    server.listen()
    return b"listening"
