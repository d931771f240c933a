"""What a child sends back, read with distrust: weights by checkpoint, a layer table, a loss curve."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field

from evoarch.archive.records import Failed
from evoarch.evaluators.params import count_params
from evoarch.evaluators.segments import Segment, split_state, wrong_state
from evoarch.evaluators.signature import Signature, signature_of
from evoarch.evaluators.task import Recipe
from evoarch.evaluators.trace import Trace, TraceError
from evoarch.sandbox.outcome import Array, Finished, Usage
from evoarch.sandbox.own_time import own_time

MOST_LAYERS = 201
"""Rows of a layer table that are kept."""

MOST_FLOPS = 1 << 60
"""More than a child can have counted in its time."""


@dataclass(frozen=True)
class DryRunPassed:
    """A genome that passed the dry run. `function_digest` is "" when unsure: then it duplicates nothing.

    `params` counts the untrained weights, by the same rule as a score.
    """

    function_digest: str
    params: int
    usage: Usage = field(default_factory=Usage)
    layers: tuple[Mapping[str, object], ...] = ()
    """What the child said of its layers: name, kind, shape, params, flops. For people, never for a score."""
    flops: int | None = None
    """What the child counted for one example; None where it has no count, and `no_flops` says why."""
    no_flops: str = "this task counts none"
    unreached: tuple[str, ...] = ()
    """Trainable parameters that no gradient reaches, as the child named them."""
    signature: Signature | None = None
    """What its state is made of; None where nothing trains it behind walls (a fake)."""
    trace: Trace | None = None
    """What the child said that its forward pass called; None where it said nothing that holds."""


@dataclass(frozen=True)
class Weights:
    """What a training child sent, by checkpoint, each with the same names and shapes."""

    checkpoints: tuple[Mapping[str, Array], ...]
    ties: object
    state: Mapping[str, Array]


@own_time()
def sound_of(outcome: Finished, source_params: int = 0) -> DryRunPassed:
    """What a dry run that finished found. `source_params`: parameters that stand in the source as data."""
    digest, flops = outcome.notes.get("function_digest"), outcome.notes.get("flops")
    known = flops if isinstance(flops, int) and 0 <= flops < MOST_FLOPS else None
    return DryRunPassed(
        function_digest=digest if isinstance(digest, str) and len(digest) == 64 else "",
        params=count_params(outcome.arrays, outcome.notes.get("ties")) + source_params,
        usage=outcome.usage,
        layers=_layers(outcome.notes.get("layers")),
        flops=known,
        no_flops="" if known is not None else str(outcome.notes.get("no_flops", DryRunPassed.no_flops))[:300],
        unreached=_names(outcome.notes.get("unreached")),
        signature=signature_of(outcome.arrays),
        trace=_trace(outcome.notes.get("trace")),
    )


def checkpoints_of(recipe: Recipe, segment: Segment) -> int:
    """How many checkpoints the training of a segment owes."""
    if segment.stop < recipe.steps:
        return 1
    marks = (recipe.steps * (k + 1) // recipe.checkpoints for k in range(recipe.checkpoints))
    return sum(mark > segment.start for mark in marks)


@own_time()
def weights_of(
    outcome: Finished, count: int, goes_on: bool = False, signature: Signature | None = None
) -> Weights | Failed:
    """The checkpoints that a training child owes: `count` of them, each with the tensors of `signature`, in
    its order; and where training `goes_on`, the state for it.
    """
    arrays, state = split_state(outcome.arrays)
    checkpoints: list[dict[str, Array]] = [{} for _ in range(count)]
    for name, array in arrays.items():
        number, _, rest = name.partition("/")
        if not (number.isdecimal() and number == str(int(number)) and int(number) < count and rest):
            return Failed("train", f"the reply must name tensors 0/... to {count - 1}/..., got {name!r}")
        checkpoints[int(number)][rest] = array
    signatures = [{n: (a.dtype, a.shape) for n, a in weights.items()} for weights in checkpoints]
    if not signatures[0] or any(signature != signatures[0] for signature in signatures):
        return Failed("train", f"the reply must hold {count} checkpoints of the same tensors")
    if signature is not None:
        if problem := signature.problem(checkpoints[0]):
            return Failed("train", problem)
        checkpoints = [signature.ordered(weights) for weights in checkpoints]
    if goes_on and (problem := wrong_state(state, checkpoints[0])):
        return Failed("train", problem)
    return Weights(tuple(checkpoints), outcome.notes.get("ties"), state if goes_on else {})


def curve_of(noted: object) -> list[float]:
    """The training loss as the child tells it: shown, never believed."""
    if not isinstance(noted, list):
        return []
    return [float(v) for v in noted[:100] if isinstance(v, int | float) and abs(v) <= sys.float_info.max]


def _trace(noted: object) -> Trace | None:
    try:
        return Trace.from_json(noted)
    except TraceError:
        return None


def _names(noted: object) -> tuple[str, ...]:
    kept = noted[:1000] if isinstance(noted, list) else []
    return tuple(name[:120] for name in kept if isinstance(name, str))


def _layers(noted: object) -> tuple[Mapping[str, object], ...]:
    """The rows that have the agreed form; of what a child says besides, nothing is kept."""

    def is_size(number: object) -> bool:
        return type(number) is int and 0 <= number < MOST_FLOPS

    rows: list[Mapping[str, object]] = []
    for row in noted[:MOST_LAYERS] if isinstance(noted, list) else []:
        if not isinstance(row, dict):
            continue
        name, kind, shape = row.get("name"), row.get("kind"), row.get("shape")
        sizes = [row.get("params"), row.get("flops"), *(shape if isinstance(shape, list) else [None])]
        if isinstance(name, str) and isinstance(kind, str) and all(map(is_size, sizes)):
            kept = {"name": name[:120], "kind": kind[:60], "shape": sizes[2:8]}
            rows.append({**kept, "params": sizes[0], "flops": sizes[1]})
    return tuple(rows)
