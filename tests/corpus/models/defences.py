"""Each defence switched off, for the positive control: without it the attacks on it win."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Iterator, Mapping
from typing import Any
from unittest import mock

import numpy as np

from evoarch.evaluators import flow, params, replies
from evoarch.evaluators.agreement import chosen_checkpoint
from evoarch.evaluators.classification import Classification
from evoarch.evaluators.program import PACKAGE, inside_program
from evoarch.evaluators.signature import Signature
from evoarch.sandbox import description, runner, wire
from evoarch.sandbox.executable import Executable
from evoarch.sandbox.job import Program
from evoarch.sandbox.outcome import Broken

TRUSTING = """
def named_state(model):
    return dict(model.state_dict())
def load_state(model, values, *, constants=False):
    model.load_state_dict(values, strict=False)
"""
"""The state by the model's own methods."""


def trusting_program() -> Program:
    """The inside program that believes what a model says of its state."""
    return Program({**inside_program().files, f"{PACKAGE}.state": TRUSTING}, f"{PACKAGE}.main")


@contextlib.contextmanager
def without(defence: str) -> Iterator[None]:
    """While it lasts, the trusted process does not defend itself in this way."""
    with contextlib.ExitStack() as stack:
        for patch in OFF[defence]():
            stack.enter_context(patch)
        yield


def _signature() -> list[Any]:
    return [
        mock.patch.object(Signature, "problem", return_value=""),
        mock.patch.object(Signature, "ordered", lambda self, weights: dict(weights)),
    ]


def _count_by_names(weights: Mapping[str, Any], ties: object = None) -> int:
    claimed = ties if isinstance(ties, Mapping) else {}
    floats = {n: a for n, a in weights.items() if np.issubdtype(a.dtype, np.floating)}
    return sum(int(array.size) for name, array in floats.items() if name not in claimed)


def _counted(rule: Any) -> list[Any]:
    return [mock.patch.object(module, "count_params", rule) for module in (flow, replies)]


def _plain_json(data: bytes) -> Any:
    return json.loads(data.decode())


def _any_frame(entry: Any, start: int) -> wire.Frame:
    name, dtype, shape = entry
    return wire.Frame(name, dtype, tuple(shape), start)


_parse = wire.parse_answer


def _wire() -> list[Any]:
    def read(data: bytes) -> wire.Answer:
        """An answer as its child wrote it, unchecked."""
        stage, at, _ = wire._stages(data)
        _, length = wire._RECORD.unpack_from(data, at)
        start = at + wire._RECORD.size
        header = _plain_json(data[start : start + length])
        if any(key in header for key in wire.FAILURES):
            return _parse(data)
        frames, at = [], start + length
        for entry in header["tensors"]:
            frames.append(_any_frame(entry, at))
            at += math.prod(entry[2]) * wire.DTYPES[entry[1]]
        return wire.Answer(stage, tuple(frames), header.get("notes", {}), complete=True)

    return [mock.patch.object(wire, "parse_answer", read)]


def _twice() -> list[Any]:
    def first_of(logits: Any, targets: Any) -> int | None:
        return chosen_checkpoint(np.clip(logits, -1e29, 1e29), targets)

    return [
        mock.patch.object(Classification, "disagree", return_value=""),
        mock.patch.object(Classification, "grade", _graded_once(Classification.grade)),
        mock.patch("evoarch.evaluators.classification.chosen_checkpoint", first_of),
    ]


def _graded_once(grade: Any) -> Any:
    return lambda self, first, second: grade(self, first, first)


def _kill() -> list[Any]:
    real = runner._signalled

    def signalled(number: int, stage: str, limits: Any, usage: Any) -> Any:
        return Broken("killed from outside", usage) if number == 9 else real(number, stage, limits, usage)

    return [mock.patch.object(runner, "_signalled", signalled)]


def _device() -> list[Any]:
    return [mock.patch.object(runner, "Killed", lambda *given, usage=None: Broken(given[1], usage))]


OFF = {
    "state": _signature,
    "signature": _signature,
    "ties": lambda: _counted(_count_by_names),
    "statistics": lambda: [
        mock.patch.object(params, "_is_statistic", lambda name, w: name in ("running_mean", "running_var"))
    ],
    "width": lambda: _counted(_count_by_names),
    "whole": lambda: [mock.patch.object(flow, "carried", dict)],
    "literals": lambda: [mock.patch.object(description.Description, "params", return_value=0)],
    "doubles": lambda: [mock.patch.object(description, "_float_bits", return_value=32)],
    "prose": lambda: [mock.patch.object(runner, "executable", lambda source: Executable(source, True, ()))],
    "twice": _twice,
    "wire": _wire,
    "kill": _kill,
    "device": _device,
    "text": lambda: [mock.patch.object(wire, "text", str)],
}
"""What is put in a defence's place."""
