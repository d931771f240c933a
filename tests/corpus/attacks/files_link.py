"""Promise: no link can be made to a file of the user."""

import os

AIM = "side"


def attack(target):
    os.link(target["file"], target["file"] + ".linked")
    return b""
