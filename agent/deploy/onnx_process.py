"""ONNX Runtime on a file that a child wrote, in a process of its own: `ask` and `compare` start it, `main`
is what it runs.

The file is no code, but a large parser reads it: so it has no part of this process, an empty environment, and
a limit on its CPU time and on what it may hold.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import math
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evoarch.agent.base.package import ROOT
from evoarch.agent.base.pdeathsig import die_with_parent

CPU_SECONDS = 600
"""The most that the process may compute."""

MEMORY = 16 << 30
"""Bytes of address space, most of which is never touched."""

MODEL, INPUTS, LOGITS, SMALL, INT8 = "model.onnx", "inputs.npy", "logits.npy", "plain.onnx", "int8.onnx"
"""The files that the two sides hand over, in a folder that is removed."""

CALIBRATED = 64
"""Training inputs that are run at a time to find the ranges of activations."""

Floats = NDArray[np.float32]
Inputs = NDArray[np.generic]


class OnnxError(Exception):
    """What ONNX Runtime, or our own look at a file, says against it, in one line."""


@dataclass(frozen=True)
class OnnxAnswer:
    """`logits` (n, k) of the inputs, where some were given; `opset` of the file; `int8`: the quantised file,
    where that was asked for.
    """

    logits: Floats
    opset: int
    int8: bytes


@dataclass(frozen=True)
class Compared:
    """Ratios of the first file's time to the second's, one a run. `cpu_seconds`: what the process took."""

    ratios: list[float]
    cpu_seconds: float


async def compare(
    files: tuple[bytes, bytes], inputs: Inputs, *, calibration: Inputs | None, seconds: float
) -> Compared:
    """Times two ONNX models by turns on `inputs`, as one batch, on one thread, for at most about `seconds`;
    with `calibration` both are quantised first. As evaluators/latency.py: the quickest of some answers counts
    in a run, and runs end when the interval of their median is narrow.

    Raises OnnxError.
    """
    with tempfile.TemporaryDirectory(prefix="evoarch-onnx-") as name:
        for place, data in zip(("first", "second"), files, strict=True):
            folder = Path(name, place)
            folder.mkdir()
            (folder / MODEL).write_bytes(data)
            if calibration is not None:
                np.save(folder / "calibration.npy", calibration)
        np.save(Path(name, INPUTS), inputs)
        said = await _run(Path(name), {"quantise": calibration is not None, "seconds": seconds}, CPU_SECONDS)
    if "error" in said:
        raise OnnxError(str(said["error"]))
    return Compared([float(each) for each in said["ratios"]], float(said["cpu_seconds"]))


async def ask(
    data: bytes, inputs: Inputs, *, batch: int, calibration: Inputs | None = None, seconds: float = 600.0
) -> OnnxAnswer:
    """Runs the ONNX model `data` on `inputs` (n, *shape), `batch` at a time; with `calibration`, training
    inputs, it is quantised first, and the logits are those of the quantised model.

    Raises OnnxError, also where it takes longer than `seconds`.
    """
    with tempfile.TemporaryDirectory(prefix="evoarch-onnx-") as name:
        folder = Path(name)
        (folder / MODEL).write_bytes(data)
        np.save(folder / INPUTS, inputs)
        if calibration is not None:
            np.save(folder / "calibration.npy", calibration)
        said = await _run(folder, {"batch": batch, "quantise": calibration is not None}, seconds)
        if "error" in said:
            raise OnnxError(str(said["error"]))
        logits = np.load(folder / LOGITS, allow_pickle=False)
        int8 = (folder / INT8).read_bytes() if calibration is not None else b""
        return OnnxAnswer(np.asarray(logits, np.float32), int(said["opset"]), int8)


async def _run(folder: Path, order: Mapping[str, object], seconds: float) -> dict[str, Any]:
    environment = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "TMPDIR": str(folder)}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", __name__, str(os.getpid())),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env=environment,
        cwd=folder,
    )
    try:
        out, _ = await asyncio.wait_for(process.communicate(json.dumps(order).encode()), seconds)
    except TimeoutError:
        return {"error": f"it took longer than {seconds:g} s"}
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    lines = out.decode(errors="replace").strip().split("\n")
    if process.returncode or not lines[-1].startswith("{"):
        return {"error": f"its process ended with code {process.returncode}"}
    return dict(json.loads(lines[-1]))


def opset_of(data: bytes) -> int:
    """The version of ONNX's own operators that a file needs. Raises OnnxError for one that is no whole model:
    that names further files, or operators of others.
    """
    import onnx

    try:
        model = onnx.load_model_from_string(data)
        onnx.checker.check_model(model)
    except Exception as error:  # noqa: BLE001 - a parser of another's: whatever it raises is one line
        raise OnnxError(f"no ONNX model: {str(error).strip().splitlines()[0]}") from None
    if any(tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in _tensors(model.graph)):
        raise OnnxError("expected all weights in the file, got a reference to another file")
    versions = {each.domain: each.version for each in model.opset_import}
    if others := sorted(set(versions) - {"", "ai.onnx"}):
        raise OnnxError(f"expected ONNX's own operators, got those of {', '.join(others)}")
    return int(versions.get("", versions.get("ai.onnx", 0)))


def _tensors(graph: Any) -> Iterator[Any]:
    """The tensors of a graph, and of those within it."""
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            yield from (attribute.t, *attribute.tensors)
            for inner in (attribute.g, *attribute.graphs):
                yield from _tensors(inner) if inner.node or inner.initializer else ()


def _session(data: bytes) -> Callable[[Inputs], Inputs]:
    """What answers inputs by the model in `data`, on one thread."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    (name,) = [each.name for each in session.get_inputs()]
    return lambda inputs: np.asarray(session.run(None, {name: inputs})[0])


def _logits(data: bytes, inputs: Inputs, batch: int) -> Floats:
    answer = _session(data)
    parts = [answer(inputs[at : at + batch]) for at in range(0, len(inputs), batch)]
    return np.concatenate(parts).astype(np.float32)


def _ratios(sessions: Sequence[Callable[[Inputs], Inputs]], inputs: Inputs, seconds: float) -> list[float]:
    from evoarch.evaluators.latency import BEST_OF, CHUNK, settled

    def once(which: int) -> float:
        began = time.perf_counter()
        sessions[which](inputs)
        return time.perf_counter() - began

    ratios, end = list[float](), time.monotonic() + seconds
    for run in itertools.count():
        best = [math.inf, math.inf]
        for turn in range(BEST_OF):
            for which in (0, 1) if turn % 2 else (1, 0):
                best[which] = min(best[which], once(which))
        if run:  # in the first, memory is taken
            ratios.append(best[0] / best[1])
        if ratios and len(ratios) % CHUNK == 0 and (settled(ratios) or time.monotonic() > end):
            break
    return ratios


def _compared(folder: Path, order: Mapping[str, Any]) -> dict[str, object]:
    sessions = []
    for place in (folder / "first", folder / "second"):
        data = (place / MODEL).read_bytes()
        opset_of(data)
        sessions.append(_session(_quantised(place) if order["quantise"] else data))
    inputs = np.load(folder / INPUTS, allow_pickle=False)
    return {"ratios": _ratios(sessions, inputs, order["seconds"]), "cpu_seconds": time.process_time()}


def _answered(folder: Path, order: Mapping[str, Any]) -> dict[str, object]:
    data = (folder / MODEL).read_bytes()
    opset = opset_of(data)
    if order["quantise"]:
        data = _quantised(folder)
    np.save(folder / LOGITS, _logits(data, np.load(folder / INPUTS, allow_pickle=False), order["batch"]))
    return {"opset": opset}


class _Reader:
    """What ONNX Runtime's calibration asks for one batch of training inputs after another."""

    def __init__(self, inputs: Inputs) -> None:
        self._parts = iter([inputs[at : at + CALIBRATED] for at in range(0, len(inputs), CALIBRATED)])

    def get_next(self) -> dict[str, Inputs] | None:
        """The next batch, by the model's input; None at the end."""
        part = next(self._parts, None)
        return None if part is None else {"inputs": part}


def _quantised(folder: Path) -> bytes:
    """The file in int8: weights by channel, activations by what the training inputs showed (QDQ)."""
    from onnxruntime.quantization import QuantFormat, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    quant_pre_process(folder / MODEL, folder / SMALL, skip_symbolic_shape=True)
    reader = _Reader(np.load(folder / "calibration.npy", allow_pickle=False))
    quantize_static(folder / SMALL, folder / INT8, reader, quant_format=QuantFormat.QDQ, per_channel=True)
    return (folder / INT8).read_bytes()


def main() -> None:
    """Reads the order from standard input, in the folder of its files, and says what came of it."""
    die_with_parent(int(sys.argv[1]))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    order, folder = json.loads(sys.stdin.read()), Path.cwd()
    try:
        said = _compared(folder, order) if "seconds" in order else _answered(folder, order)
    except OnnxError as error:
        said = {"error": str(error)}
    except Exception as error:  # noqa: BLE001 - a library of another's: whatever it raises is one line
        said = {"error": f"{type(error).__name__}: {str(error).strip().splitlines()[0][:300]}"}
    sys.stdout.write("\n" + json.dumps(said) + "\n")


if __name__ == "__main__":
    main()
