"""Promise: a child that ignores every signal is stopped."""

import signal

AIM = "limit"
LIMIT = "evaluation.wall_clock"


def attack(target):
    for number in range(1, 65):
        try:
            signal.signal(number, signal.SIG_IGN)
        except (OSError, ValueError):
            pass
    while True:
        pass
