"""Promise: no special file can be made."""

import os

AIM = "side"


def attack(target):
    os.mkfifo(os.path.join(target["folder"], "fifo"))
    return b""
