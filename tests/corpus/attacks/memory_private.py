"""Promise: private memory is limited."""

AIM = "limit"
LIMIT = "evaluation.memory"


def attack(target):
    held = []
    while True:
        held.append(bytearray(1 << 20))
