"""Promise: a manifest that is nested without end is refused."""

import os
import struct

AIM = "answer"


def attack(target):
    manifest = b'{"tensors": [], "notes": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    os.write(3, struct.pack("<cI", b"R", len(manifest)) + manifest)
    os._exit(0)
