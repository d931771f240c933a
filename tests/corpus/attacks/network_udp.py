"""Promise: no datagram can be sent."""

import socket

AIM = "side"


def attack(target):
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", target["udp"]))
    return b""
