"""Promise: no shell can be started."""

import os

AIM = "side"


def attack(target):
    os.system(f"echo x > {target['folder']}/shell")
    return b""
