"""Many genomes in one child: each is built and run on a few examples, for its trace alone.

They share a process, so one that changes what the others use is only noticed: a model of our own is traced
before and after them, and must come out the same.
"""

from __future__ import annotations

import gc
import json
import random
import signal
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from evoarch.evaluators.inside.build import Announce, Reply, build, materialise, outputs_of
from evoarch.evaluators.inside.made_up import made_up_inputs
from evoarch.evaluators.inside.trace import trace_of
from evoarch.sandbox.child import load
from evoarch.sandbox.child_report import describe

EXAMPLES = 2
MOST_BYTES = 100_000
"""Of one trace: all of a batch have room in one answer."""

TICK = 0.05
"""Seconds between two alarms after the first, for a genome that catches it."""


class LateError(BaseException):
    """The time of one genome is over. No `except Exception` of its own holds it up."""


def traces(
    genome: ModuleType | None, arrays: Mapping[str, Tensor], options: Mapping[str, Any], announce: Announce
) -> Reply:
    """Traces of `options["sources"]`; `options` besides: entry, offers, kwargs, `seed`, and `seconds` of CPU
    time that each may take.

    The notes hold `traces`, for each source {"trace"}, or {"stage"} and what sandbox.child_report says of an
    exception; and `steady`, whether our own model still has the trace that it had. Before each source its
    number is announced as a stage.
    """
    before = _own_trace()
    found = []
    for number, source in enumerate(options["sources"]):
        announce(f"trace {number}")
        found.append(_traced(source, options))
        # What models leave behind in circles is theirs no more.
        gc.collect()
    return {}, {"traces": found, "steady": _own_trace() == before}


def _traced(source: str, options: Mapping[str, Any]) -> dict[str, Any]:
    stage = "build"
    _settle(options["seed"])
    try:
        _alarm(options["seconds"])
        model = build(load(source), options)
        stage = "dry_run"
        inputs = made_up_inputs(options["offers"], EXAMPLES, torch.Generator().manual_seed(0))
        materialise(model, inputs)
        trace = trace_of(model, inputs, outputs_of(options))
        _alarm(0.0)
        if len(json.dumps(trace)) > MOST_BYTES:
            raise ValueError(f"the trace has more than {MOST_BYTES} bytes")
        return {"trace": trace}
    except BaseException as error:  # noqa: BLE001 - a genome may raise anything at all; the next one goes on
        _alarm(0.0)
        if isinstance(error, LateError):
            return {"stage": stage, "late": True}
        return {"stage": stage, **describe(error)}


def _settle(seed: int) -> None:
    """What the one before may have set, for itself alone."""
    # Of the CPU alone: torch.manual_seed also notes the stack for each kind of device.
    torch.default_generator.manual_seed(seed)
    random.seed(seed)
    torch.set_default_dtype(torch.float32)
    torch.set_grad_enabled(True)


def _alarm(seconds: float) -> None:
    """Raises LateError after so many seconds of CPU time, and again and again; 0 takes it back."""
    signal.signal(signal.SIGPROF, _late)
    signal.setitimer(signal.ITIMER_PROF, seconds, TICK if seconds else 0.0)


def _late(number: int, frame: object) -> None:
    raise LateError


def _own_trace() -> dict[str, Any]:
    model = nn.Sequential(nn.Conv1d(1, 2, 3), nn.BatchNorm1d(2), nn.ReLU(), nn.Flatten(), nn.Linear(12, 3))
    inputs = torch.ones(EXAMPLES, 1, 8)
    return {**trace_of(model, inputs), "sum": float(inputs.cumsum(-1).mul(inputs).softmax(-1).sum())}
