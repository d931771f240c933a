"""A trained model as a file for other tools: an ONNX model, or a program of torch.export.

The entry of a program of its own, whose zygote holds what these exporters import; no evaluation runs there.
"""

from __future__ import annotations

import importlib.util
import io
import linecache
import re
import sys
import tempfile
import warnings
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from evoarch.evaluators.inside import warm
from evoarch.evaluators.inside.build import Announce, Reply, build, check_logits, materialise, outputs_of
from evoarch.evaluators.inside.latency import shaken
from evoarch.evaluators.inside.state import load_state

OPSET = 18
"""The ONNX operators that torch's exporter writes by itself: nothing is converted."""

ONNX, PROGRAM = "onnx", "torch-export"
"""The formats."""

_PARSED = ("onnxscript.", "torch.onnx.")
"""Modules with functions that the exporter parses."""

WEIGHTS = "weights/"
"""Stands before the names of weights among a child's arrays."""


def warmup() -> None:
    """One export of each kind, since a child can't import what torch loads on first use. ONNX is left out
    where its packages are not there.
    """
    # Torch makes names of one when its exporters are imported. There is none behind the wall.
    tempfile.tempdir = "/"
    warm.warmup()
    model = nn.Sequential(nn.Conv1d(1, 2, 3), nn.BatchNorm1d(2), nn.ReLU(), nn.Flatten(), nn.Linear(12, 3))
    formats = [PROGRAM, ONNX] if importlib.util.find_spec("onnxscript") else [PROGRAM]
    files = {each: _file(model.eval(), torch.zeros(2, 1, 8), each) for each in formats}
    _answers(torch.export.load(io.BytesIO(files[PROGRAM])).module(), torch.zeros(3, 1, 8), 2, (3,))
    _keep_texts()


def _keep_texts() -> None:
    """The exporter parses the text of some of its own functions, and a child can open no file."""
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if name.startswith(_PARSED) and file and (lines := linecache.getlines(file)):
            # Without a time, an entry is never looked up again.
            linecache.cache[file] = (sum(map(len, lines)), None, lines, file)


def exported(
    genome: ModuleType | None, arrays: Mapping[str, Tensor], options: Mapping[str, Any], announce: Announce
) -> Reply:
    """`file`: the bytes of the model in `options["format"]`, which takes batches of any size.

    `arrays` holds a few `inputs` (n, *shape), n of at least 2, and the weights. `options`: entry, offers,
    kwargs, format; with `batch`, the untrained model is written that latency.py asks. Raises ValueError that
    names what can't be written.
    """
    if "batch" in options:
        model, _ = shaken(genome, options, announce)
    else:
        announce("build")
        model = build(genome, options)
        materialise(model, arrays["inputs"])
        load_state(model, {name[len(WEIGHTS) :]: a for name, a in arrays.items() if name.startswith(WEIGHTS)})
    announce("export")
    data = _file(model.eval(), arrays["inputs"], options["format"])
    return {"file": torch.frombuffer(bytearray(data), dtype=torch.uint8)}, {}


def reloaded(
    genome: ModuleType | None, arrays: Mapping[str, Tensor], options: Mapping[str, Any], announce: Announce
) -> Reply:
    """`logits` (1, n, k) of `arrays["inputs"]`, `options["batch"]` at a time, by a program of torch.export in
    `arrays["file"]`; no genome is there.
    """
    announce("load")
    program = torch.export.load(io.BytesIO(arrays["file"].numpy().tobytes())).module()
    announce("predict")
    return {"logits": _answers(program, arrays["inputs"], options["batch"], outputs_of(options))[None]}, {}


def _answers(program: nn.Module, inputs: Tensor, batch: int, outputs: tuple[int, ...]) -> Tensor:
    with torch.no_grad():
        parts = [check_logits(program(x), len(x), outputs).float() for x in torch.split(inputs, batch)]
    return torch.cat(parts)


def _file(model: nn.Module, inputs: Tensor, form: str) -> bytes:
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.export.export(model, (inputs,), dynamic_shapes=({0: Dim("batch", min=1)},))
        if form == ONNX:
            return _onnx(program)
        file = io.BytesIO()
        torch.export.save(program, file)
        return file.getvalue()


def _onnx(program: ExportedProgram) -> bytes:
    try:
        made = torch.onnx.export(
            program,
            dynamo=True,
            verbose=False,
            opset_version=OPSET,
            input_names=["inputs"],
            output_names=["logits"],
        )
    except Exception as error:  # noqa: BLE001 - whatever the exporter raises is told by its first cause
        raise ValueError(_cause(error)) from None
    assert made is not None
    data: bytes = made.model_proto.SerializeToString()
    return data


def _cause(error: BaseException) -> str:
    """The operation that the exporter names in an error or in its causes, else the first cause's
    words.
    """
    first = error
    while (below := first.__cause__) is not None:
        first = below
        if found := re.search(r"No ONNX function found for .*?op='([\w.:]+)'", str(first)):
            return f"no ONNX operator for {found[1]}"
    return str(first).strip().split("\n")[0]
