"""Promise: a finalizer that never returns is stopped."""

AIM = "limit"
LIMIT = "evaluation.wall_clock"


class Never:
    def __del__(self):
        while True:
            pass


def attack(target):
    Never()
    return b""
