"""Promise: sleeping does not stop the wall clock."""

import time

AIM = "limit"
LIMIT = "evaluation.wall_clock"


def attack(target):
    time.sleep(3600)
