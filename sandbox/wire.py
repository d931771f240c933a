"""The bytes that cross the wall: raw tensor frames and a JSON manifest. Standard library only, both sides.

A *parcel* goes in: a length, a JSON header, then packed arrays (each at a multiple of 64 bytes). An *answer*
comes out: any number of stage records, then one result record whose frames fill the rest exactly. Nothing
here trusts what it reads: every field of an answer is checked, and a mismatch is a `WireError`.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

DTYPES: Mapping[str, int] = {
    "float16": 2,
    "float32": 4,
    "float64": 8,
    "int8": 1,
    "int16": 2,
    "int32": 4,
    "int64": 8,
    "uint8": 1,
    "bool": 1,
}
"""Names and item sizes of what may cross. No pickle, no object, no text but JSON."""

ALIGN = 64
MAX_TENSORS = 10_000
MAX_DIMENSIONS = 16
MAX_ELEMENTS = 1 << 40
"""Product of a tensor's sizes that are not zero: array libraries refuse a larger one, even an empty one."""
MAX_HEADER = 4 << 20
MAX_STAGE = 64
MAX_STAGES = 1_000
MAX_TEXT = 2_000
MAX_DIGITS = 20
OVERHEAD = MAX_HEADER + (MAX_STAGE + 5) * MAX_STAGES
"""Bytes that an answer may hold beside its frames."""

FAILURES = ("raised", "memory", "device_memory", "device_lost")
"""What a result record may hold in the place of tensors."""

_LENGTH = struct.Struct("<I")
_RECORD = struct.Struct("<cI")


class WireError(ValueError):
    """An answer that does not keep to the format. The text says what was expected and what came."""


@dataclass(frozen=True)
class Frame:
    """One tensor of a manifest: its bytes lie at `start`, in C order, little endian."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    start: int

    @property
    def size(self) -> int:
        return math.prod(self.shape) * DTYPES[self.dtype]


@dataclass(frozen=True)
class Answer:
    """What a child wrote: the last stage it announced, then frames and notes, or how it failed."""

    stage: str
    frames: tuple[Frame, ...] = ()
    notes: Mapping[str, object] = field(default_factory=dict)
    raised: Mapping[str, object] | None = None
    memory: str | None = None
    device_memory: str | None = None
    device_lost: str | None = None
    complete: bool = False


def pack_header(header: Mapping[str, object]) -> bytes:
    text = json.dumps(header).encode()
    return _LENGTH.pack(len(text)) + text


def unpack_header(data: bytes | memoryview) -> dict[str, object]:
    """The header of a parcel (trusted: the controller wrote it)."""
    (length,) = _LENGTH.unpack_from(data)
    header: dict[str, object] = json.loads(bytes(data[_LENGTH.size : _LENGTH.size + length]))
    return header


def stage_record(stage: str) -> bytes:
    text = stage.encode(errors="replace")[:MAX_STAGE]
    return _RECORD.pack(b"S", len(text)) + text


def result_record(header: Mapping[str, object]) -> bytes:
    """The record that precedes the frames; `header` holds `tensors` and `notes`, or one of FAILURES."""
    text = json.dumps(header).encode()
    return _RECORD.pack(b"R", len(text)) + text


def last_stage(data: bytes) -> str:
    """The last stage announced in a possibly broken answer, "start" when there is none."""
    stage, _, _ = _stages(data)
    return stage


def parse_answer(data: bytes) -> Answer:
    """Checks an answer of a child that has ended. Raises WireError; `complete` is False without a result."""
    stage, at, problem = _stages(data)
    if problem:
        raise WireError(problem)
    if at == len(data):
        return Answer(stage)
    kind, length = _RECORD.unpack_from(data, at)
    if kind != b"R":
        raise WireError(f"expected a record of kind S or R at byte {at}, got {kind!r}")
    start = at + _RECORD.size
    if length > MAX_HEADER or start + length > len(data):
        raise WireError(f"expected a manifest of at most {MAX_HEADER} bytes, got {length} announced")
    header = _object(data[start : start + length])
    start += length
    if any(key in header for key in FAILURES):
        if start != len(data):
            raise WireError(f"expected nothing after a failure report, got {len(data) - start} bytes")
        if "memory" in header:
            return Answer(stage, memory=text(header["memory"]), complete=True)
        if "device_memory" in header:
            return Answer(stage, device_memory=text(header["device_memory"]), complete=True)
        if "device_lost" in header:
            return Answer(stage, device_lost=text(header["device_lost"]), complete=True)
        raised = header["raised"]
        if not isinstance(raised, dict):
            raise WireError("expected an object under raised")
        return Answer(stage, raised=raised, complete=True)
    frames, end = _frames(header.get("tensors"), start)
    if end != len(data):
        raise WireError(f"the manifest promises {end - start} bytes of frames, got {len(data) - start}")
    for frame in frames:
        # A bool that is neither 0 nor 1 makes array libraries disagree about its truth.
        if frame.dtype == "bool" and data[frame.start : frame.start + frame.size].strip(b"\0\1"):
            raise WireError(f"tensor {frame.name!r}: expected bools of 0 or 1")
    notes = header.get("notes", {})
    if not isinstance(notes, dict):
        raise WireError("expected an object under notes")
    return Answer(stage, frames=frames, notes=notes, complete=True)


def text(value: object) -> str:
    """A string that is safe to store and to print: capped, no control characters, valid Unicode."""
    raw = value if isinstance(value, str) else repr(value)
    clean = "".join(
        c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in raw[:MAX_TEXT]
    )
    return clean.encode(errors="replace").decode()


def shapes(value: object) -> tuple[tuple[int, ...], ...]:
    """Shapes from a failure report; those that are none are left out."""
    if not isinstance(value, list):
        return ()
    return tuple(tuple(shape) for shape in value[:16] if isinstance(shape, list) and _is_shape(shape))


def _stages(data: bytes) -> tuple[str, int, str]:
    """The last stage, where the first other record starts, and what is wrong ("" if nothing)."""
    stage, at, count = "start", 0, 0
    while at < len(data):
        if at + _RECORD.size > len(data):
            return stage, at, f"expected a record header at byte {at}, got {len(data) - at} bytes"
        kind, length = _RECORD.unpack_from(data, at)
        if kind != b"S":
            return stage, at, ""
        end = at + _RECORD.size + length
        count += 1
        if length > MAX_STAGE or end > len(data) or count > MAX_STAGES:
            return stage, at, f"expected at most {MAX_STAGES} stages of at most {MAX_STAGE} bytes"
        stage = text(data[at + _RECORD.size : end].decode(errors="replace"))
        at = end
    return stage, at, ""


def _object(data: bytes) -> dict[str, object]:
    try:
        decoded = data.decode()
        header = json.loads(decoded, parse_constant=str, parse_float=_finite, parse_int=_whole)
        # Lone surrogates survive \u escapes and fail in every later encoder.
        json.dumps(header, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise WireError(f"expected a JSON manifest: {error}") from None
    if not isinstance(header, dict):
        raise WireError(f"expected a JSON object, got {type(header).__name__}")
    return header


def _whole(number: str) -> int:
    """No count has more than 64 bits. Raises ValueError: a larger one may be no float, and fits no column."""
    value = int(number) if len(number) <= MAX_DIGITS else 1 << 64
    if abs(value) >= 1 << 63:
        raise ValueError(f"expected a number of at most 64 bits, got {number[:32]}")
    return value


def _finite(number: str) -> float | str:
    value = float(number)
    return value if math.isfinite(value) else number[:32]


def _frames(tensors: object, start: int) -> tuple[tuple[Frame, ...], int]:
    if not isinstance(tensors, list) or len(tensors) > MAX_TENSORS:
        raise WireError(f"expected a list of at most {MAX_TENSORS} tensors")
    frames: list[Frame] = []
    names: set[str] = set()
    for entry in tensors:
        frame = _frame(entry, start)
        if frame.name in names:
            raise WireError(f"tensor {frame.name!r} is named twice")
        names.add(frame.name)
        frames.append(frame)
        start += frame.size
    return tuple(frames), start


def _frame(entry: object, start: int) -> Frame:
    match entry:
        case [str(name), str(dtype), list(shape)] if (
            len(name) <= 256 and dtype in DTYPES and _is_shape(shape)
        ):
            return Frame(name, dtype, tuple(shape), start)
    raise WireError(f"expected [name, one of {', '.join(DTYPES)}, shape], got {text(entry)[:120]}")


def _is_shape(shape: Sequence[object]) -> bool:
    # bool is an int: True as a length would pass for 1.
    if len(shape) > MAX_DIMENSIONS or not all(type(n) is int and 0 <= n < MAX_ELEMENTS for n in shape):
        return False
    return math.prod(n or 1 for n in shape if isinstance(n, int)) <= MAX_ELEMENTS
