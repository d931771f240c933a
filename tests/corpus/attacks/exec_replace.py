"""Promise: a child cannot replace itself by a shell."""

import os

AIM = "side"


def attack(target):
    os.execv("/bin/sh", ["sh", "-c", f"echo x > {target['folder']}/shell"])
    return b""
