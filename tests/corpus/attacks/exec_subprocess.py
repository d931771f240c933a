"""Promise: no program can be started."""

import subprocess
import sys

AIM = "power"


def attack(target):
    for program in (["/bin/true"], ["/usr/bin/true"], [sys.executable, "-c", "pass"]):
        try:
            return b"started" if subprocess.run(program).returncode == 0 else b""
        except OSError:
            pass
    return b""
