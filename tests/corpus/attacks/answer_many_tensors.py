"""Promise: more tensors than anyone needs are refused."""

import json
import os
import struct

AIM = "answer"


def attack(target):
    manifest = json.dumps({"tensors": [[str(n), "uint8", [0]] for n in range(20_000)], "notes": {}}).encode()
    os.write(3, struct.pack("<cI", b"R", len(manifest)) + manifest)
    os._exit(0)
