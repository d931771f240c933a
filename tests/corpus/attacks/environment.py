"""Promise: no key of the controller's environment is there."""

import os

AIM = "loot"
UNLOCKED = False


def attack(target):
    return repr(dict(os.environ)).encode() + repr(os.getenv(target["variable"])).encode()
