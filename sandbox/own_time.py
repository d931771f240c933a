"""A deadline for what the trusted process itself does over one child: sizes are bounded, and this bounds what
nobody thought of.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

OWN_SECONDS = 10.0
"""CPU seconds of this process for one piece of work on what one child sent: reading its answer, counting its
parameters. The largest answer that is allowed takes a fifth of it at most (`benchmarks/gate.py`)."""


class OwnTimeError(RuntimeError):
    """The trusted process worked longer than OWN_SECONDS on what one child sent."""


@contextlib.contextmanager
def own_time(seconds: float = OWN_SECONDS) -> Iterator[None]:
    """Raises OwnTimeError in what it surrounds after so many CPU seconds of this process; also a decorator.

    A timer of the kernel's interrupts, also a loop; not a single call of a library. Time that the machine
    gives to others does not count. In another thread than the main one it does nothing, since a signal is
    heard there alone; inside another one the outer deadline holds.
    """
    here = threading.current_thread() is threading.main_thread()
    if not here or signal.getitimer(signal.ITIMER_VIRTUAL)[0]:
        yield
        return

    def late(number: int, frame: FrameType | None) -> None:
        raise OwnTimeError(f"evoarch worked more than {seconds:g} s on what one child sent")

    before = signal.signal(signal.SIGVTALRM, late)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
