"""How a child tells what went wrong: the genome's line, the module that failed and the shapes it got."""

from __future__ import annotations

import types

import torch
from torch import nn

from evoarch.sandbox import device_faults, frozen_loader, wire

FILENAME = "<genome>"
_CALLS = ("_call_impl", "_wrapped_call_impl")
_ALLOCATORS = ("can't allocate memory", "not enough memory", "std::bad_alloc", "Cannot allocate memory")


def describe(error: BaseException, has_driver: bool = False) -> dict[str, object]:
    """The header of a failure report: `memory` when the address space ran out, with a device's driver
    `device_memory` and `device_lost`, else `raised`.
    """
    message = _message(error)
    if has_driver and isinstance(error, RuntimeError):
        if device_faults.is_memory(message):
            return {"device_memory": message}
        if device_faults.is_lost(message):
            return {"device_lost": message}
    if isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError | OSError) and any(sign in message for sign in _ALLOCATORS)
    ):
        return {"memory": message}
    frames = _stack(error)
    module, shapes = _failing_module(frames)
    held = frozen_loader.finder
    if held and (place := held.place(error)) and not held.is_open(place):
        message = f"{message[: wire.MAX_TEXT - len(place) - 3]} ({place})"
    return {
        "raised": {
            "kind": type(error).__name__,
            "message": message,
            "line": _line(error, frames),
            "module": module,
            "shapes": shapes,
        }
    }


def _message(error: BaseException) -> str:
    try:
        message = error.msg if isinstance(error, SyntaxError) else str(error)
    except BaseException as second:  # noqa: BLE001 - the genome may define __str__ of its own exception
        return f"no message: str() raised {type(second).__name__}"
    return message[: wire.MAX_TEXT]


def _stack(error: BaseException) -> list[tuple[types.FrameType, int]]:
    """Frames from the outermost to the one that raised, with their lines."""
    frames = []
    trace = error.__traceback__
    while trace is not None:
        frames.append((trace.tb_frame, trace.tb_lineno))
        trace = trace.tb_next
    return frames


def _line(error: BaseException, frames: list[tuple[types.FrameType, int]]) -> int:
    if isinstance(error, SyntaxError) and error.filename == FILENAME:
        return error.lineno or 0
    held = frozen_loader.finder
    lines = []
    for frame, line in frames:
        file = frame.f_code.co_filename
        own = line if file == FILENAME else held.genome_line(file, line) if held else 0
        lines += [own] if own else []
    return lines[-1] if lines else 0


def _failing_module(frames: list[tuple[types.FrameType, int]]) -> tuple[str, list[list[int]]]:
    """The dotted path of the deepest module in the stack below the outermost one, and its input shapes."""
    calls: list[tuple[nn.Module, types.FrameType]] = []
    for frame, _ in frames:
        owner = frame.f_locals.get("self")
        if isinstance(owner, nn.Module) and frame.f_code.co_name in _CALLS:
            calls.append((owner, frame))
    if not calls:
        return "", []
    root, (failed, frame) = calls[0][0], calls[-1]
    path = next((name for name, module in root.named_modules() if module is failed), "")
    given = (*frame.f_locals.get("args", ()), *frame.f_locals.get("kwargs", {}).values())
    return path, [list(value.shape) for value in given if isinstance(value, torch.Tensor)]
