"""Promise: a second answer is refused."""

import json
import os
import struct

AIM = "answer"


def attack(target):
    manifest = json.dumps({"tensors": [], "notes": {}}).encode()
    os.write(3, struct.pack("<cI", b"R", len(manifest)) + manifest)
    return b""
