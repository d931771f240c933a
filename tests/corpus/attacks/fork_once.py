"""Promise: no process can be forked."""

import os

AIM = "power"


def attack(target):
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    return b"forked"
