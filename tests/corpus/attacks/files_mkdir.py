"""Promise: no folder can be made."""

import os

AIM = "side"


def attack(target):
    os.mkdir(os.path.join(target["folder"], "made"))
    return b""
