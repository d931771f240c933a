"""Promise: a flood of stages is refused."""

import os
import struct

AIM = "answer"


def attack(target):
    for _ in range(2000):
        os.write(3, struct.pack("<cI", b"S", 1) + b"x")
    return b""
