"""Promise: a child that stops itself does not hang its job."""

import os
import signal

AIM = "limit"
LIMIT = "evaluation.wall_clock"


def attack(target):
    os.kill(os.getpid(), signal.SIGSTOP)
    return b""
