"""Promise: shapes that are no shapes are refused."""

import json
import os
import struct

AIM = "answer"


def attack(target):
    manifest = json.dumps({"tensors": [["loot", "uint8", [-2, -2]]], "notes": {}}).encode()
    os.write(3, struct.pack("<cI", b"R", len(manifest)) + manifest + b"1234")
    os._exit(0)
