"""Promise: a child has one thread."""

import threading

AIM = "power"


def attack(target):
    thread = threading.Thread(target=print)
    thread.start()
    thread.join()
    return b"a thread"
