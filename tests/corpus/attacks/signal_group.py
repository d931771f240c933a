"""Promise: a signal to a group reaches no one else."""

import os
import signal

AIM = "zygote"
UNLOCKED = False


def attack(target):
    os.killpg(os.getpgid(os.getppid()), signal.SIGKILL)
    return b""
