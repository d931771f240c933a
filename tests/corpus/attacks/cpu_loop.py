"""Promise: an endless loop is stopped at the wall clock."""

AIM = "limit"
LIMIT = "evaluation.wall_clock"


def attack(target):
    while True:
        pass
