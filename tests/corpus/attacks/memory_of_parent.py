"""Promise: the memory of the controller cannot be read through /proc."""

import re

AIM = "power"


def attack(target):
    pid = target["controller"]
    with open(f"/proc/{pid}/maps") as stream:
        start = int(re.match("[0-9a-f]+", stream.readline()).group(), 16)
    with open(f"/proc/{pid}/mem", "rb") as stream:
        stream.seek(start)
        return stream.read(4)
