"""Promise: no file can be written."""

import os

AIM = "side"


def attack(target):
    with open(os.path.join(target["folder"], "made"), "w") as stream:
        stream.write("x")
    return b""
