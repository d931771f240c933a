"""One child, from the fork to its end: map the inputs, lock up, load the genome, call the program, answer."""

from __future__ import annotations

import builtins
import importlib
import linecache
import mmap
import os
import random
import resource
import sys
import types
from collections.abc import Mapping
from typing import Any, NoReturn

import torch

from evoarch.sandbox import child_locks, child_report, frozen_check, frozen_loader, wire
from evoarch.sandbox.limits import Level

LOCKED = b"locked"
"""What a child says to the zygote, once, after its last lock and before any line of the genome; where it
opened a device, the most bytes that were resident follow."""

GENOME = "genome"
_ANSWER = 3
_REPORT = 4
_FIRST_ARRAY = 5


def main(request: Mapping[str, Any], fds: list[int], report: int, parent: int, entry: str) -> NoReturn:
    """Never returns. `fds` are the parcel, the answer, the arrays, and the last `request["talk"]` of them the
    two ends of a talk (sandbox.talk); `report` goes to the zygote.
    """
    status = 1
    try:
        fds = _keep(fds, report)
        try:
            own = len(fds) - request["talk"]
            fds, talk = fds[:own], fds[own:]
            if talk:
                # Who is asked by turns shares one core: two cores differ in who else is on them.
                os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
            header, arrays = _receive(fds)
            device = request["device"]
            child_locks.restrict(
                Level(request["level"]),
                parent,
                request["memory"],
                request["cpu"],
                request["output"] + wire.OVERHEAD,
                _driver(device, entry),
            )
        except BaseException as error:  # noqa: BLE001 - whatever kept a lock open: say so, and run nothing
            os.write(
                _REPORT, f"a child could not lock itself up: {type(error).__name__}: {error}".encode()[:4096]
            )
            os._exit(status)
        resident = f" {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}" if device else ""
        os.write(_REPORT, LOCKED + resident.encode())
        os.close(_REPORT)
        if device:
            header["options"] |= {"device": device["kind"], "autocast": device["autocast"]}
        _run(header, arrays, entry, talk, has_driver=bool(device))
        status = 0
    finally:
        # Also after an exit, an interrupt or an error in the report: no code of the zygote may go on here.
        os._exit(status)


def _keep(fds: list[int], report: int) -> list[int]:
    """Leaves open: 0-2 on the null device, 3 the answer, 4 the report, 5... parcel, arrays, talk."""
    parcel, answer, *arrays = fds
    wanted = [answer, report, parcel, *arrays]
    top = max(wanted) + len(wanted) + _ANSWER
    # First out of the way, so that no duplicate lands on one that is still needed.
    high = []
    for fd in wanted:
        high.append(top)
        os.dup2(fd, top)
        top += 1
    os.dup2(0, 1)
    os.dup2(0, 2)
    for place, fd in enumerate(high, start=_ANSWER):
        os.dup2(fd, place)
    # Never closerange(0, 0): CPython 3.11 closes everything then.
    os.closerange(_ANSWER + len(wanted), 1 << 20)
    return list(range(_FIRST_ARRAY, _ANSWER + len(wanted)))


def _receive(fds: list[int]) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """Maps parcel and arrays copy-on-write, and closes every descriptor of theirs."""
    maps = [mmap.mmap(fd, os.fstat(fd).st_size, mmap.MAP_PRIVATE) for fd in fds]
    for fd in fds:
        os.close(fd)
    header: dict[str, Any] = wire.unpack_header(memoryview(maps[0]))
    arrays: dict[str, torch.Tensor] = {}
    for name, dtype, shape, place, offset in header["arrays"]:
        kind = getattr(torch, dtype)
        count = 1
        for length in shape:
            count *= length
        if count:
            flat = torch.frombuffer(maps[place], dtype=kind, count=count, offset=offset)
        else:
            flat = torch.empty(0, dtype=kind)
        arrays[name] = flat.reshape(shape)
    return header, arrays


def _driver(device: Mapping[str, Any] | None, entry: str) -> child_locks.Driver | None:
    if not device:
        return None
    inside = importlib.import_module(entry)
    return child_locks.Driver(device["files"], device["reads"], lambda: inside.open_device(device))


def _run(
    header: Mapping[str, Any],
    arrays: dict[str, torch.Tensor],
    entry: str,
    talk: list[int],
    *,
    has_driver: bool,
) -> None:
    def announce(stage: str) -> None:
        _write(wire.stage_record(stage))

    frames: list[bytes | memoryview] = []
    try:
        torch.manual_seed(header["seed"])
        random.seed(header["seed"])
        module = None
        if (held := frozen_loader.finder) and header.get("frozen"):
            announce("build")
            held.replace(header["frozen"]["modules"], header["frozen"]["lines"])
        if header["genome"]:
            announce("build")
            module = load(header["genome"])
        function = getattr(importlib.import_module(entry), header["function"])
        tensors, notes = function(module, arrays, header["options"], announce, *talk)
        if held:
            frozen_check.check(held)
        frames = _frames(tensors, notes)
    except BaseException as error:  # noqa: BLE001 - a genome may raise anything at all; it becomes the answer
        frames = [wire.result_record(child_report.describe(error, has_driver))]
    for frame in frames:
        _write(frame)


def load(source: str) -> types.ModuleType:
    """The genome as a module of its own, known to tracebacks and to `inspect`."""
    module = types.ModuleType(GENOME)
    module.__file__ = child_report.FILENAME
    linecache.cache[child_report.FILENAME] = (
        len(source),
        None,
        source.splitlines(True),
        child_report.FILENAME,
    )
    sys.modules[GENOME] = module
    code = compile(source, child_report.FILENAME, "exec", dont_inherit=True)
    builtins.exec(code, module.__dict__)
    if held := frozen_loader.finder:
        frozen_check.remember(held)
    return module


def _frames(tensors: Mapping[str, torch.Tensor], notes: Mapping[str, object]) -> list[bytes | memoryview]:
    manifest: list[tuple[str, str, list[int]]] = []
    frames: list[bytes | memoryview] = []
    for name, tensor in tensors.items():
        plain = tensor.detach().cpu().contiguous()
        manifest.append((name, str(plain.dtype).removeprefix("torch."), list(plain.shape)))
        if plain.numel():
            frames.append(plain.reshape(-1).view(torch.uint8).numpy().data)
    return [wire.result_record({"tensors": manifest, "notes": dict(notes)}), *frames]


def _write(data: bytes | memoryview) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(_ANSWER, rest) :]
