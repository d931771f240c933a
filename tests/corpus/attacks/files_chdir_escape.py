"""Promise: a changed working directory opens no file."""

import os

AIM = "loot"


def attack(target):
    os.chdir(target["folder"])
    with open("secret.txt", "rb") as stream:
        return stream.read()
