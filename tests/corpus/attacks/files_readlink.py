"""Promise: links of the process folder tell nothing."""

import os

AIM = "power"


def attack(target):
    return os.readlink("/proc/self/exe").encode()
