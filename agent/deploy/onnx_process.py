"""ONNX Runtime on a file that a child wrote, in a process of its own: `ask` starts it, `main` is what it
runs.

The file is no code, but a large parser reads it: so it has no part of this process, an empty environment, and
a limit on its CPU time and on what it may hold.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import sys
import tempfile
from collections.abc import Iterator, Mapping
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


def _logits(data: bytes, inputs: Inputs, batch: int) -> Floats:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    (name,) = [each.name for each in session.get_inputs()]
    parts = [session.run(None, {name: inputs[at : at + batch]})[0] for at in range(0, len(inputs), batch)]
    return np.concatenate(parts).astype(np.float32)


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
        data = (folder / MODEL).read_bytes()
        opset = opset_of(data)
        if order["quantise"]:
            data = _quantised(folder)
        np.save(folder / LOGITS, _logits(data, np.load(folder / INPUTS, allow_pickle=False), order["batch"]))
        said: dict[str, object] = {"opset": opset}
    except OnnxError as error:
        said = {"error": str(error)}
    except Exception as error:  # noqa: BLE001 - a library of another's: whatever it raises is one line
        said = {"error": f"{type(error).__name__}: {str(error).strip().splitlines()[0][:300]}"}
    sys.stdout.write("\n" + json.dumps(said) + "\n")


if __name__ == "__main__":
    main()
