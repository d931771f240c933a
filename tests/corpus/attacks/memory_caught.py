"""Promise: catching MemoryError gives no more memory."""

AIM = "limit"
LIMIT = "evaluation.memory"


def attack(target):
    held = []
    tries = 0
    while tries < 3:
        try:
            held.append(bytearray(1 << 22))
        except MemoryError:
            tries += 1
    raise MemoryError
