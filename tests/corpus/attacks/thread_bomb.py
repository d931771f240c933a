"""Promise: a thread bomb has no first thread."""

import threading
import time

AIM = "power"


def attack(target):
    count = 0
    for _ in range(50):
        try:
            threading.Thread(target=time.sleep, args=(0.05,)).start()
            count += 1
        except RuntimeError:
            pass
    return b"threads" if count else b""
