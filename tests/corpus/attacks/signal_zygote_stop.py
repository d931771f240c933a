"""Promise: the zygote cannot be stopped by a child."""

import os
import signal

AIM = "power"


def attack(target):
    os.kill(os.getppid(), signal.SIGCONT)
    return b"signalled"
