"""Promise: an answer with more bytes than its manifest says is refused."""

import json
import os
import struct

AIM = "answer"


def attack(target):
    manifest = json.dumps({"tensors": [["loot", "uint8", [4]]], "notes": {}}).encode()
    os.write(3, struct.pack("<cI", b"R", len(manifest)) + manifest + b"12345")
    os._exit(0)
