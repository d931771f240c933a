"""Promise: what a child inherits from the zygote holds no secret of the controller."""

import gc

AIM = "loot"
UNLOCKED = False


def attack(target):
    found = [text for text in gc.get_objects() if isinstance(text, (str, bytes)) and "secret-" in repr(text)]
    frames = []
    import sys
    frame = sys._getframe()
    while frame:
        frames.append(repr(frame.f_locals)[:10000])
        frame = frame.f_back
    return repr((found, frames)).encode()
