"""The limits of one child, and the levels of isolation."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """`full`: bubblewrap and the child's locks. `landlock`: the same without namespaces. `none`: unsafe."""

    FULL = "full"
    LANDLOCK = "landlock"
    NONE = "none"


@dataclass(frozen=True)
class Limits:
    """Limits of one child. Seconds and bytes; `memory` is what it may take above the warm zygote."""

    wall_clock: float = 60.0
    cpu_seconds: float = 60.0
    memory: int = 2 << 30
    output: int = 64 << 20
