"""Promise: no descriptor is inherited but the null device and the answer."""

import os

AIM = "power"
UNLOCKED = False


def attack(target):
    found = []
    for number in range(4, 1024):
        try:
            os.lseek(number, 0, os.SEEK_CUR)
            found.append(number)
        except OSError as error:
            if error.errno != 9:
                found.append(number)
    return repr(found).encode() if found else b""
