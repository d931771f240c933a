"""Promise: no symbolic link can be made."""

import os

AIM = "side"


def attack(target):
    os.symlink("/etc", os.path.join(target["folder"], "link"))
    return b""
