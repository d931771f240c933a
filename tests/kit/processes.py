"""Processes as the system sees them."""

import psutil  # type: ignore[import-untyped]


def family_of(pid: int) -> list[int]:
    """A process and all its descendants."""
    return [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]
