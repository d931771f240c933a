"""Promise: no folder can be listed."""

import os

AIM = "power"


def attack(target):
    return repr(os.listdir(target["folder"])).encode()
