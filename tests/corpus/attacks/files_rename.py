"""Promise: no file of the user can be moved."""

import os

AIM = "side"


def attack(target):
    os.rename(target["file"], target["file"] + ".moved")
    return b""
