"""The seam behind which children find a slot: on this machine, or on the nodes of a cluster."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from evoarch.sandbox.frozen import FrozenModules
from evoarch.sandbox.job import Program, Runner
from evoarch.sandbox.limits import Level


class PoolError(RuntimeError):
    """A pool can't be used as asked. One line: the key, what was expected, what was found."""


@dataclass(frozen=True)
class Walls:
    """What the zygote of a slot is started with. `least`: the isolation that a node must offer, unless
    `unsafe`; it then gives the best it has, or just `level`. `modules`: imported before any fork; their
    distributions are looked up on the node. `python`: the interpreter that children have there ("": the
    node's own). `frozen`: users' own modules.
    """

    program: Program
    least: Level = Level.LANDLOCK
    unsafe: bool = False
    level: Level | None = None
    modules: tuple[str, ...] = ()
    python: str = ""
    frozen: FrozenModules | None = None


@dataclass(frozen=True)
class Need:
    """What one slot takes of a node: CPUs and GPUs (fractions share one), bytes of memory, resources of the
    cluster's own by name, and labels that the node must carry.
    """

    cpus: float = 1.0
    gpus: float = 0.0
    memory: int = 0
    resources: Mapping[str, float] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Node:
    """One machine. `id` is unique among the living and the dead, `name` is for people.

    `slots`: children that fit it at a time; `refused`: why it gets none, "" if it gets some. `level` and
    `reasons`: the isolation it offers, and why not a better one (None: it could not be asked). `devices`:
    CPUs, GPUs, memory (bytes) and what else it has; `labels`: as it carries them; `versions`: of what decides
    a score.
    """

    id: str
    name: str
    slots: int = 0
    refused: str = ""
    level: Level | None = None
    reasons: tuple[str, ...] = ()
    devices: Mapping[str, float] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)


class Pool(Runner, Protocol):
    """A runner that owns slots. Any number of `run` at once: each waits for a slot.

    What the infrastructure loses (a node, a worker, a slot that was taken away) ends as Broken, and an answer
    that comes after that is dropped. `level` is the weakest isolation that a child of this pool may have had.
    """

    @property
    def slots(self) -> int:
        """Children that can run at a time, now."""
        ...

    def watch(self, changed: Callable[[], None]) -> None:
        """`changed` is called on the pool's loop whenever `slots` may have grown or shrunk."""
        ...

    def nodes(self) -> Sequence[Node]:
        """As they were last seen."""
        ...
