"""Promise: not even a TCP socket can be had."""

import socket

AIM = "power"


def attack(target):
    socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    return b"a socket"
