"""The trace of a model: which modules and functions its forward pass called, with shapes, parameters, FLOPs.

It is a claim of the child that ran the model, in whose process the genome ran too: shown, searched and used
for screening, never for a score. So it is read with distrust: what has not the agreed form is refused whole.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from evoarch.archive.records import Failed
from evoarch.sandbox.outcome import Raised

MOST_NODES = 300
"""Calls that a trace lists; a model that makes more is `cut` there, its sums are of all."""

MOST_READS, MOST_DIMENSIONS, MOST_HINTS = 16, 8, 8
MOST_NAME, MOST_KIND = 120, 60

MOST = 1 << 50
"""Parameters, FLOPs, activations and sizes are below it: more than a child can have run in its time."""

INPUT = -1
"""What stands among the `reads` of a node for the model's input."""

HINTS = (
    "stride", "kernel_size", "groups", "dilation", "p", "num_layers", "bidirectional", "num_heads",
    "num_groups", "output_size",
)  # fmt: skip
"""Settings of modules that a node may carry. Of a tuple it is the product, of a switch 0 or 1. Without one,
stride, groups, dilation and num_layers are 1, the others 0.
"""


class TraceError(ValueError):
    """A stored or reported trace that has not the agreed form. The text says what was expected and got."""


@dataclass(frozen=True)
class Node:
    """One call of a module or of a function that computes with tensors.

    `name`: the dotted name of the module, or of the module that called the function ("" is the model itself).
    `kind`: the class of the module ("Conv1d") or the function ("cat", "mul", "mean"); kinds of modules begin
    with a capital letter. `shape`: of the first output, without the batch. `params`: trained elements of the
    module, or that the function takes; an element counts once, at the first call. `flops`: of one example.
    `reads`: numbers of the nodes whose outputs it takes, INPUT for the model's input; tensors that the
    forward pass made of nothing are not in it. `hints`: settings, by HINTS.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    params: int
    flops: int
    reads: tuple[int, ...]
    hints: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Trace:
    """One forward pass, in the order of its calls.

    `params`: trained elements, each once. `flops`: of one example in evaluation mode, as
    evaluators.inside.flops counts; None where there is no count. `activations`: elements of all outputs of
    nodes, of one example; what is a view of an input, or the same again, makes none. `cut`: there were more
    than MOST_NODES calls. `output`: the node whose output is the model's, INPUT where none is.
    """

    nodes: tuple[Node, ...]
    params: int
    flops: int | None
    activations: int
    cut: bool = False
    output: int = INPUT

    def as_json(self) -> dict[str, object]:
        """As compact as is readable: a node is a list, its hints last and only where it has any."""
        nodes = [
            [n.name, n.kind, list(n.shape), n.params, n.flops, list(n.reads)]
            + ([dict(n.hints)] if n.hints else [])
            for n in self.nodes
        ]
        sums = {"params": self.params, "flops": self.flops, "activations": self.activations}
        return {"nodes": nodes, **sums, "cut": self.cut, "output": self.output}

    @classmethod
    def from_json(cls, stored: object) -> Trace:
        """What `as_json` gave. Raises TraceError for anything else, whoever wrote it."""
        of = _expect(stored, dict, "an object")
        rows = _expect(of.get("nodes"), list, "a list of nodes")
        if len(rows) > MOST_NODES:
            raise TraceError(f"expected at most {MOST_NODES} nodes, got {len(rows)}")
        flops, cut = of.get("flops"), of.get("cut", False)
        if type(cut) is not bool:
            raise TraceError(f"cut: expected true or false, got {_shown(cut)}")
        return cls(
            nodes=tuple(_node(row, place) for place, row in enumerate(rows)),
            params=_size(of.get("params"), "params"),
            flops=None if flops is None else _size(flops, "flops"),
            activations=_size(of.get("activations"), "activations"),
            cut=cut,
            output=_place(of.get("output", INPUT), len(rows), "output"),
        )


@dataclass(frozen=True)
class Untraced(Failed):
    """A source whose code raised, with what it raised, so that it may be mended."""

    raised: Raised = field(kw_only=True)


@dataclass(frozen=True)
class Traced:
    """What became of sources that were asked for together: a trace or the failure of each, in their order.

    `cpu_seconds`: of all children that it took.
    """

    results: Sequence[Trace | Failed]
    cpu_seconds: float


@runtime_checkable
class Tracer(Protocol):
    """Builds models and runs them on a few examples, without a gradient, to see what they are made of."""

    async def traces(self, sources: Sequence[str]) -> Traced:
        """Never raises for what a genome does; one that hangs, dies or floods fails alone."""
        ...


def _node(row: object, place: int) -> Node:
    where = f"node {place}"
    parts = _expect(row, list, f"{where}: a list")
    if len(parts) not in (6, 7):
        raise TraceError(f"{where}: expected 6 or 7 entries, got {len(parts)}")
    name, kind, shape, params, flops, reads, *more = parts
    sizes = _list(shape, MOST_DIMENSIONS, f"{where}: shape")
    sources = _list(reads, MOST_READS, f"{where}: reads")
    return Node(
        name=_text(name, MOST_NAME, f"{where}: name"),
        kind=_text(kind, MOST_KIND, f"{where}: kind"),
        shape=tuple(_size(size, f"{where}: shape") for size in sizes),
        params=_size(params, f"{where}: params"),
        flops=_size(flops, f"{where}: flops"),
        # Only what was called before can be read: a trace has no cycle.
        reads=tuple(_place(source, place, f"{where}: reads") for source in sources),
        hints=_hints(more[0], where) if more else {},
    )


def _hints(given: object, where: str) -> dict[str, float]:
    hints = _expect(given, dict, f"{where}: hints: an object")
    if len(hints) > MOST_HINTS or not all(name in HINTS for name in hints):
        raise TraceError(
            f"{where}: hints: expected of {', '.join(HINTS)}, got {_shown(sorted(hints, key=str))}"
        )
    for name, value in hints.items():
        if type(value) not in (int, float) or not math.isfinite(value) or abs(value) >= MOST:
            raise TraceError(f"{where}: {name}: expected a finite number, got {_shown(value)}")
    return {name: float(value) for name, value in hints.items()}


def _expect(value: object, kind: type, what: str) -> Any:
    if type(value) is not kind:
        raise TraceError(f"expected {what}, got {_shown(value)}")
    return value


def _list(value: object, most: int, where: str) -> list[object]:
    found: list[object] = _expect(value, list, f"{where}: a list")
    if len(found) > most:
        raise TraceError(f"{where}: expected at most {most}, got {len(found)}")
    return found


def _text(value: object, most: int, where: str) -> str:
    if not isinstance(value, str) or len(value) > most or not (value.isprintable()):
        raise TraceError(f"{where}: expected at most {most} printable characters, got {_shown(value)}")
    return value


def _size(value: object, where: str) -> int:
    if type(value) is not int or not 0 <= value < MOST:
        raise TraceError(f"{where}: expected a whole number of 0 to 2**50, got {_shown(value)}")
    return value


def _place(value: object, below: int, where: str) -> int:
    if type(value) is not int or not INPUT <= value < below:
        raise TraceError(f"{where}: expected a number of -1 to {below - 1}, got {_shown(value)}")
    return value


def _shown(value: object) -> str:
    """For a message: short, whatever it is."""
    return repr(value)[:60]
