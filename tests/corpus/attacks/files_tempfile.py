"""Promise: no temporary file can be made."""

import tempfile

AIM = "power"


def attack(target):
    with tempfile.TemporaryFile() as stream:
        stream.write(b"x")
        return b"wrote a temporary file"
