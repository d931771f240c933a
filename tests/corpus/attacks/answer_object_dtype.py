"""Promise: a dtype that holds pointers or pickles is refused."""

import json
import os
import struct

AIM = "answer"


def attack(target):
    manifest = json.dumps({"tensors": [["loot", "object", [1]]], "notes": {}}).encode()
    os.write(3, struct.pack("<cI", b"R", len(manifest)) + manifest + b"\0" * 8)
    os._exit(0)
