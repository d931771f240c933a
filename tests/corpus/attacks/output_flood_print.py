"""Promise: prints go nowhere and fill nothing."""

AIM = "limit"
LIMIT = "evaluation.wall_clock"


def attack(target):
    while True:
        print("x" * 10000)
