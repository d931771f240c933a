"""Promise: no descriptor can be told to send signals."""

import fcntl
import os

AIM = "power"


def attack(target):
    fcntl.fcntl(3, fcntl.F_SETOWN, os.getppid())
    return b"owner set"
