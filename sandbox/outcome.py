"""What came back from behind the wall, as a sum type. Nothing here is a score."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.generic]


@dataclass(frozen=True)
class Finding:
    """One vetting message. `line` and `column` count from 1 and 0, as Python's own errors do."""

    line: int
    column: int
    rule: str
    message: str
    hint: str

    def __str__(self) -> str:
        return f"{self.line}:{self.column} {self.rule}: {self.message} ({self.hint})"


@dataclass(frozen=True)
class Usage:
    """What a child took, measured outside it: wall and CPU seconds, peak resident bytes; `above`: the most
    that it allocated beyond what the process had that it was forked from, its inputs apart.
    """

    seconds: float = 0.0
    cpu_seconds: float = 0.0
    peak_rss: int = 0
    above: int = 0

    def __add__(self, other: Usage) -> Usage:
        """Of one after the other."""
        return Usage(
            self.seconds + other.seconds,
            self.cpu_seconds + other.cpu_seconds,
            max(self.peak_rss, other.peak_rss),
        )


@dataclass(frozen=True)
class Finished:
    """The child answered with frames that match its own manifest and the caller's limits.

    `arrays` are raw tensors (copies, writable), `notes` a capped JSON object of strings and numbers that
    may inform but must never be believed as a score.
    """

    arrays: Mapping[str, Array]
    notes: Mapping[str, object] = field(default_factory=dict)
    usage: Usage = field(default_factory=Usage)


@dataclass(frozen=True)
class Raised:
    """The genome's code raised. `stage` is the last stage that the inside program announced.

    `kind` is the exception's class name, `message` its capped text, `line` the line of the genome
    (1-based, 0 if unknown), `module` the dotted path of the nn.Module that failed ("" if unknown) and
    `shapes` the input shapes that module got.
    """

    stage: str
    kind: str
    message: str
    line: int = 0
    module: str = ""
    shapes: tuple[tuple[int, ...], ...] = ()
    usage: Usage = field(default_factory=Usage)


@dataclass(frozen=True)
class Killed:
    """The child died or was stopped: a limit struck (`limit` names its config key) or a signal."""

    stage: str
    reason: str
    limit: str = ""
    usage: Usage = field(default_factory=Usage)


@dataclass(frozen=True)
class Broken:
    """The walls themselves failed (zygote lost, no memory for a fork): an infrastructure fault."""

    reason: str
    usage: Usage = field(default_factory=Usage)


ChildOutcome = Finished | Raised | Killed | Broken
