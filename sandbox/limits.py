"""The limits of one child, and the levels of isolation."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """From the most isolation to the least. `full`: bubblewrap and the child's locks. `container`: podman and
    the same locks, Landlock where the kernel has it. `landlock`: the locks alone. `none`: unsafe.
    """

    FULL = "full"
    CONTAINER = "container"
    LANDLOCK = "landlock"
    NONE = "none"

    def at_least(self, other: Level) -> bool:
        """Whether this level isolates as much as `other`, or more."""
        order = list(Level)
        return order.index(self) <= order.index(other)


@dataclass(frozen=True)
class Limits:
    """Limits of one child. Seconds and bytes; `memory` is what it may take above the warm zygote."""

    wall_clock: float = 60.0
    cpu_seconds: float = 60.0
    memory: int = 2 << 30
    output: int = 64 << 20
