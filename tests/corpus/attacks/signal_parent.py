"""Promise: the controller gets no signal from a child."""

import os
import signal

AIM = "side"


def attack(target):
    os.kill(target["controller"], signal.SIGUSR1)
    return b""
