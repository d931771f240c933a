"""Promise: a child that catches every exception is stopped."""

AIM = "limit"
LIMIT = "evaluation.wall_clock"


def attack(target):
    while True:
        try:
            while True:
                pass
        except BaseException:  # the attack: it swallows whatever would end it
            pass
