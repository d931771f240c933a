"""Promise: bools that are neither true nor false are refused."""

import json
import os
import struct

AIM = "answer"


def attack(target):
    manifest = json.dumps({"tensors": [["loot", "bool", [2]]], "notes": {}}).encode()
    os.write(3, struct.pack("<cI", b"R", len(manifest)) + manifest + b"\x02\x01")
    os._exit(0)
