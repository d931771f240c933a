"""Promise: a signal to everyone reaches no one."""

import os
import signal

AIM = "zygote"
UNLOCKED = False


def attack(target):
    os.kill(-1, signal.SIGKILL)
    return b""
