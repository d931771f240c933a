"""Promise: nothing outlives its child."""

import os
import time

AIM = "side"


def attack(target):
    if os.fork() == 0:
        with open(target["folder"] + "/daemon", "w") as stream:
            stream.write("x")
        os._exit(0)
    time.sleep(0.2)
    return b""
