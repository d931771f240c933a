"""Promise: no raw, packet or netlink socket can be had."""

import socket

AIM = "power"


def attack(target):
    for family, kind in ((socket.AF_NETLINK, socket.SOCK_RAW), (socket.AF_PACKET, socket.SOCK_RAW)):
        try:
            socket.socket(family, kind)
            return b"a raw socket"
        except OSError:
            pass
    return b""
