"""Models as files for other tools: what they answer is compared, and what can't be written is named."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from safetensors.numpy import load_file

from evoarch.agent.base.errors import UserError
from evoarch.agent.deploy.candidate import first_scored
from evoarch.agent.deploy.export import (
    LIMIT,
    ONNX,
    PROGRAM,
    Deployed,
    Exporter,
    open_exporter,
    refuse_missing,
)
from evoarch.agent.deploy.onnx_process import OnnxError, ask, opset_of
from evoarch.agent.evaluation.bench import open_bench, plan_bench
from evoarch.agent.evaluation.one_file import plain_settings
from evoarch.archive.records import Failed
from evoarch.archive.store import open_archive
from evoarch.sandbox.genome import source_digest
from evoarch.sandbox.outcome import Array
from kit.command import evoarch, output_of

HEAD = """
import torch
from torch import nn


class Model(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.conv = nn.Conv1d(1, 8, 5, stride=2, padding=2)
        self.norm = nn.BatchNorm1d(8)
        self.gru = nn.GRU(8, 8, batch_first=True)
        self.out = nn.Linear(8, num_classes)

    def forward(self, x):
        x = self.norm(self.conv(x.unsqueeze(1))).relu()
"""
LAST = "        x, _ = self.gru(x.transpose(1, 2))\n        return self.out(x.mean(1))\n"
SOUND = HEAD + LAST
NO_OPERATOR = HEAD + "        x = x + torch.special.i0(x)\n" + LAST
LOOKS_AT_VALUES = HEAD + "        if x.mean() > 0.5:\n            x = x * 2\n" + LAST
OTHERWISE = HEAD + "        if torch.compiler.is_exporting():\n            x = x * 1.5\n" + LAST

Found = Mapping[str, Deployed | Failed]


@asynccontextmanager
async def opened() -> AsyncIterator[tuple[Exporter, Mapping[str, Array]]]:
    """An exporter for MNIST-1D, and weights of the models above, which have the same."""
    plan = plan_bench(plain_settings("mnist1d", "fast", 0), Path())
    plan = replace(plan, recipe=replace(plan.recipe, steps=60))
    async with open_bench(plan, runs=None) as bench, open_exporter(bench) as exporter:
        trained = await bench.evaluator.evaluate(SOUND, digest=source_digest(SOUND), repeat=0)
        assert trained.weights, trained.outcome
        yield exporter, trained.weights


@pytest.fixture(scope="module")
def found() -> Found:
    async def all_of_them() -> Found:
        async with opened() as (exporter, weights):
            return {
                "onnx": await exporter.export(SOUND, weights, ONNX, int8=True),
                "program": await exporter.export(SOUND, weights, PROGRAM),
                "no operator": await exporter.export(NO_OPERATOR, weights, ONNX),
                "values": await exporter.export(LOOKS_AT_VALUES, weights, PROGRAM),
                "otherwise": await exporter.export(OTHERWISE, weights, ONNX),
            }

    return asyncio.run(all_of_them())


def test_an_onnx_model_answers_as_the_model_does_in_batches_of_any_size(found: Found) -> None:
    made = found["onnx"]
    assert isinstance(made, Deployed), made
    assert made.apart <= LIMIT
    assert made.opset == opset_of(made.data) == 18
    dimensions = onnx.load_model_from_string(made.data).graph.input[0].type.tensor_type.shape.dim
    assert dimensions[0].dim_param, "a name, not a number: any batch"
    inputs = np.zeros((3, *(each.dim_value for each in dimensions[1:])), np.float32)
    answer = asyncio.run(ask(made.data, inputs, batch=1))
    assert answer.logits.shape == (3, 10)
    assert np.array_equal(answer.logits[0], answer.logits[2])


def test_int8_says_what_it_loses(found: Found) -> None:
    made = found["onnx"]
    assert isinstance(made, Deployed)
    assert made.int8 is not None
    assert made.int8.lost.low <= made.int8.lost.mean <= made.int8.lost.high
    kinds = {node.op_type for node in onnx.load_model_from_string(made.int8.data).graph.node}
    assert "QuantizeLinear" in kinds
    assert made.int8.error == pytest.approx(made.error + made.int8.lost.mean, abs=0.01)


def test_a_program_of_torch_export_answers_as_the_model_does(found: Found) -> None:
    made = found["program"]
    assert isinstance(made, Deployed), made
    assert made.apart <= LIMIT
    assert made.error == found["onnx"].error  # type: ignore[union-attr]


def test_an_operation_that_onnx_lacks_is_named(found: Found) -> None:
    failed = found["no operator"]
    assert isinstance(failed, Failed)
    assert "no ONNX operator for prims.bessel_i0" in failed.reason


def test_a_model_whose_path_depends_on_values_is_refused_in_one_line(found: Found) -> None:
    failed = found["values"]
    assert isinstance(failed, Failed)
    assert "\n" not in failed.reason


def test_a_model_that_is_another_where_it_is_exported_is_found_out(found: Found) -> None:
    failed = found["otherwise"]
    assert isinstance(failed, Failed)
    assert "from the model's; expected at most 0.0001" in failed.reason


def model_of(domain: str = "", external: bool = False) -> bytes:
    """An ONNX model that adds a constant to its inputs."""
    value = helper.make_tensor("one", TensorProto.FLOAT, [1], [1.0])
    if external:
        value.data_location = TensorProto.EXTERNAL
        entry = value.external_data.add()
        entry.key, entry.value = "location", "../secret"
    row = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 2]) for name in ("inputs", "logits")
    ]
    node = helper.make_node("Add" if not domain else "Own", ["inputs", "one"], ["logits"], domain=domain)
    graph = helper.make_graph([node], "g", row[:1], row[1:], [value])
    versions = [helper.make_opsetid(domain, 1)] if domain else []
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18), *versions], ir_version=10)
    return bytes(model.SerializeToString())


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "no ONNX model"),
        (b"\xff" * 100, "no ONNX model"),
        (model_of(external=True), "another file|no ONNX model"),
        (model_of(domain="own.ops"), "operators, got those of own.ops"),
    ],
    ids=["empty", "noise", "external", "operators"],
)
def test_a_file_that_is_no_whole_onnx_model_is_refused(data: bytes, words: str) -> None:
    with pytest.raises(OnnxError, match=words):
        opset_of(data)


def test_the_process_of_onnx_runtime_says_what_is_wrong_and_keeps_to_its_time() -> None:
    inputs = np.ones((3, 2), np.float32)
    answer = asyncio.run(ask(model_of(), inputs, batch=2))
    assert np.array_equal(answer.logits, inputs + 1)
    with pytest.raises(OnnxError, match="no ONNX model"):
        asyncio.run(ask(b"\xff" * 10, inputs, batch=2))
    with pytest.raises(OnnxError, match="longer than 0 s"):
        asyncio.run(ask(model_of(), inputs, batch=2, seconds=0.0))


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evoarch.agent.deploy.export.find_spec", lambda name: None)
    refuse_missing(PROGRAM)
    with pytest.raises(UserError, match=r"pip install 'evoarch\[deploy\]'"):
        refuse_missing(ONNX)


def test_the_weights_of_a_candidate_are_checked_and_trained_again_where_none_are_kept(
    finished: Path, tmp_path: Path
) -> None:
    with open_archive(finished, write=False) as store:
        best = min(store.scored(), key=lambda each: each.metrics["params"])
        _, error = first_scored(store, best)
    kept, again = tmp_path / "kept.safetensors", tmp_path / "again.safetensors"
    said = output_of("export", str(finished), str(best.id), "--format", "state", "-o", str(kept))
    assert f"in the archive {error:.4f}" in said
    assert "again" not in said
    for path in (finished / "weights").glob(f"{best.id}-*"):
        path.unlink()
    said = output_of("export", str(finished), str(best.id), "--format", "state", "-o", str(again))
    assert "trained again as in the archive, with the same error" in said
    first, second = load_file(kept), load_file(again)
    assert first.keys() == second.keys()
    assert all(np.array_equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--int8", "-o", "m.py"), "expected --format onnx beside it"),
        (
            ("--format", "state", "--int8", "-o", "m.safetensors"),
            "expected --format onnx beside it, got state",
        ),
        (("--format", "onnx", "--patch", "-o", "m.onnx"), "neither --weights nor --patch"),
        (("--format", "onnx", "-o", "m.pt2"), "ends in .onnx"),
    ],
)
def test_options_that_do_not_fit_are_one_line(finished: Path, words: tuple[str, ...], said: str) -> None:
    result = evoarch("export", str(finished), "1", *words)
    assert result.exit_code == 2
    assert said in result.output
