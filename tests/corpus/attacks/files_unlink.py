"""Promise: no file of the user can be deleted."""

import os

AIM = "side"


def attack(target):
    os.unlink(target["file"])
    return b""
