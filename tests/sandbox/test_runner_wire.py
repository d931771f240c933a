"""What crosses the wall is read strictly: whatever bytes come, an answer or a WireError."""

from __future__ import annotations

import contextlib
import json
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evoarch.sandbox import wire

shapes = st.lists(st.integers(0, 4), max_size=4)
manifests = st.lists(
    st.tuples(st.text(max_size=8), st.sampled_from([d for d in wire.DTYPES if d != "bool"]), shapes),
    max_size=5,
    unique_by=lambda entry: entry[0],
)


def size(dtype: str, shape: list[int]) -> int:
    return wire.Frame("", dtype, tuple(shape), 0).size


def record(header: object, frames: bytes = b"", stages: tuple[str, ...] = ()) -> bytes:
    text = json.dumps(header).encode()
    told = b"".join(wire.stage_record(stage) for stage in stages)
    return told + struct.pack("<cI", b"R", len(text)) + text + frames


@given(manifests, st.lists(st.sampled_from(["build", "train", "predict"]), max_size=3), st.data())
def test_what_is_written_is_read(
    manifest: list[tuple[str, str, list[int]]], stages: list[str], data: st.DataObject
) -> None:
    total = sum(size(dtype, shape) for _, dtype, shape in manifest)
    frames = data.draw(st.binary(min_size=total, max_size=total))
    answer = wire.parse_answer(record({"tensors": manifest, "notes": {"a": 1}}, frames, tuple(stages)))
    assert answer.complete
    assert answer.stage == (stages[-1] if stages else "start")
    assert [(frame.name, frame.dtype, list(frame.shape)) for frame in answer.frames] == manifest
    assert sum(frame.size for frame in answer.frames) == total


@given(manifests, st.integers(-8, 8).filter(bool))
def test_a_wrong_length_is_refused(manifest: list[tuple[str, str, list[int]]], off: int) -> None:
    total = sum(size(dtype, shape) for _, dtype, shape in manifest)
    if total + off < 0:
        off = -off
    with pytest.raises(wire.WireError, match="promises"):
        wire.parse_answer(record({"tensors": manifest}, b"x" * (total + off)))


@given(st.binary(max_size=200))
def test_any_bytes_are_an_answer_or_refused(data: bytes) -> None:
    with contextlib.suppress(wire.WireError):
        wire.parse_answer(data)
    assert isinstance(wire.last_stage(data), str)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(["tensors", "notes", "raised", "memory"]), json_values))
def test_any_manifest_is_an_answer_or_refused(header: dict[str, object]) -> None:
    try:
        answer = wire.parse_answer(record(header))
    except wire.WireError:
        return
    # What passes can be stored and read again: valid Unicode, and no number that JSON does not have.
    stored = json.dumps(dict(answer.notes), allow_nan=False, ensure_ascii=False).encode()
    assert json.loads(stored) == answer.notes


@pytest.mark.parametrize("number", [2**63, -(2**63), 10**400, 10**4000])
def test_a_number_beyond_64_bits_is_refused(number: int) -> None:
    with pytest.raises(wire.WireError):
        wire.parse_answer(record({"tensors": [], "notes": {"x": number}}))
    most = {"x": 2**63 - 1}
    assert wire.parse_answer(record({"tensors": [], "notes": most})).notes == most


@pytest.mark.parametrize(
    "entry",
    [
        ["x", "object", [1]],
        ["x", "float32", [-1]],
        ["x", "float32", [True]],
        ["x", "float32", [1.0]],
        ["x", "float32", [2**40]],
        ["x", "float32", [1] * 17],
        ["x" * 257, "uint8", [0]],
        ["x", "uint8"],
        [1, "uint8", [0]],
        {"x": 1},
        None,
    ],
)
def test_an_entry_that_is_none_is_refused(entry: object) -> None:
    with pytest.raises(wire.WireError, match="expected"):
        wire.parse_answer(record({"tensors": [entry]}))


def test_two_tensors_of_one_name_are_refused() -> None:
    with pytest.raises(wire.WireError, match="named twice"):
        wire.parse_answer(record({"tensors": [["x", "uint8", [0]], ["x", "uint8", [0]]]}))


@given(st.text())
def test_texts_are_safe_to_print_and_to_store(raw: str) -> None:
    safe = wire.text(raw)
    assert len(safe) <= wire.MAX_TEXT
    assert all(c.isprintable() or c == "\n" for c in safe)
    safe.encode()
