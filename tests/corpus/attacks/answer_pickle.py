"""Promise: no pickle is ever loaded."""

import os
import pickle
import struct

AIM = "side"
UNLOCKED = False


class Bomb:
    def __reduce__(self):
        return (os.system, ("touch pickled",))


def attack(target):
    bomb = pickle.dumps(Bomb())
    os.write(3, struct.pack("<cI", b"R", len(bomb)) + bomb)
    os._exit(0)
