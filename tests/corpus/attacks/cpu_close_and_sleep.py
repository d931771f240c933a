"""Promise: closing every descriptor and sleeping ends at the deadline."""

import os
import time

AIM = "limit"
LIMIT = "evaluation.wall_clock"


def attack(target):
    for number in range(64):
        try:
            os.close(number)
        except OSError:
            pass
    time.sleep(3600)
