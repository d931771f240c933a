"""Promise: a number that takes minutes to read is refused."""

import os
import struct

AIM = "answer"


def attack(target):
    manifest = b'{"tensors": [], "notes": {"x": ' + b"9" * 1_000_000 + b"}}"
    os.write(3, struct.pack("<cI", b"R", len(manifest)) + manifest)
    os._exit(0)
