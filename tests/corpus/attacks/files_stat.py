"""Promise: not even the existence, size or times of a file can be learned."""

import os

AIM = "power"


def attack(target):
    return str(os.stat(target["file"]).st_size).encode()
