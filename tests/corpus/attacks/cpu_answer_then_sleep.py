"""Promise: an answer that is complete does not stop the clock."""

import json
import os
import struct
import time

AIM = "limit"
LIMIT = "evaluation.wall_clock"


def attack(target):
    manifest = json.dumps({"tensors": [], "notes": {}}).encode()
    os.write(3, struct.pack("<cI", b"R", len(manifest)) + manifest)
    os.close(3)
    time.sleep(3600)
