"""Promise: the home folder can be neither listed nor read."""

import os
import pwd

AIM = "power"


def attack(target):
    for home in ("/root", "/home", os.path.expanduser("~")):
        try:
            return repr(os.listdir(home)).encode()
        except OSError:
            pass
    return b""
