"""A helper process that ends when its parent does, however that ends.

As a script, `pdeathsig.py PARENT PROGRAM ARGUMENT...`, it becomes that program, which then ends so too.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def die_with_parent(parent: int) -> None:
    """Call first. `parent` is the pid of the process that started this one; if it is gone, this one exits.

    The kernel's signal follows the thread that started this process, so that thread must wait for it.
    Elsewhere than on Linux only the pipe's end tells.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the line above
        os._exit(0)


if __name__ == "__main__":
    die_with_parent(int(sys.argv[1]))
    try:
        os.execvp(sys.argv[2], sys.argv[2:])
    except OSError as problem:
        sys.exit(f"{sys.argv[2]}: {problem.strerror}")
