"""For a helper process: it ends when its parent does, even when the parent is killed.

As a script, `pdeathsig.py PARENT PROGRAM ARGUMENT...` replaces itself by that program, which then also ends
with the process whose pid is PARENT.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
"""Linux's number for "send me this signal when my parent ends" (prctl(2))."""


def die_with_parent(parent: int) -> None:
    """From now on the kernel kills this process when `parent`, the pid of its parent, ends; exits at once
    where it has ended already. Call it first.

    Linux sends the signal when the thread that started this process ends, so that thread must live on. On
    other systems nothing happens here: the process has to notice that its input pipe was closed.
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
