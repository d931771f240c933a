"""Promise: the system's user table cannot be read."""

AIM = "power"


def attack(target):
    with open("/etc/passwd", "rb") as stream:
        return stream.read(100)
