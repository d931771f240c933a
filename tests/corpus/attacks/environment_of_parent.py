"""Promise: the environment of other processes cannot be read."""

AIM = "power"


def attack(target):
    with open(f"/proc/{target['controller']}/environ", "rb") as stream:
        return stream.read()
