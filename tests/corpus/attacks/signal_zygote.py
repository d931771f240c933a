"""Promise: the zygote cannot be killed by a child."""

import os
import signal
import time

AIM = "zygote"


def attack(target):
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(0.3)
    return b""
