"""Promise: no file of the user can be truncated by its path."""

import os

AIM = "side"


def attack(target):
    os.truncate(target["file"], 0)
    return b""
