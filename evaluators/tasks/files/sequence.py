"""`sequence:DIR` and `sequence:FILE,horizon=N`: recordings with classes, and series to forecast.

A folder holds a folder of recordings for each class (WAV, FLAC, OGG, as soundfile reads them). Options:
`rate=8000` samples a second, `seconds=1.0` of each recording from its middle; a shorter one gets silence
behind it. A model sees one channel, (1, samples).

A file is a table (.csv, .tsv, .parquet) or an array (.npy: (time,) or (time, channels)), in the order of
time. A model sees `context` rows (by default four horizons) as (2 x channels, context): the values, a gap as
the last value before it, then 1 where there was a value and 0 in a gap. It says the next `horizon` rows of
the columns that `target=a,b` names (of a table; without it of all columns of numbers), which are scored where
they are known. The last fifth of the time is sealed, the fifth of the rest before it is the validation split:
nothing is trained on what comes after what it is scored on.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evoarch.evaluators.task import Floats, Split, TaskError
from evoarch.evaluators.tasks.files.named import NamedFile, number_of
from evoarch.evaluators.tasks.files.recordings import recordings_task
from evoarch.evaluators.tasks.files.table_file import read_table
from evoarch.evaluators.tasks.files.task import FileData, FileTask, Scale, file_task

OPTIONS = {
    "horizon": "rows to forecast, 1 to 1000",
    "context": "rows that a model sees, 2 to 10000",
    "target": "columns to forecast",
    "step": "rows from one example to the next, 1 to 1000",
}
LEAST_WINDOWS = 50
"""The fewest examples outside the test."""

MOST_NUMBERS = 50_000_000
"""Numbers that all examples may hold: 200 MB as float32."""

BASELINES = {"linear": "forecast_linear", "conv": "forecast_conv", "gru": "forecast_gru"}


def sequence_task(named: NamedFile, path: Path) -> FileTask:
    """The task of the folder or file at `path`. Raises TaskError, one line that names it."""
    if path.is_dir():
        return recordings_task(named, path)
    named.refuse_unknown(OPTIONS)
    if "horizon" not in named.options:
        raise TaskError(f"task {named}: expected ,horizon=N, the rows of {path.name} to forecast")
    horizon = number_of(named, "horizon", 1, 1, 1000, OPTIONS["horizon"])
    context = number_of(named, "context", max(2, 4 * horizon), 2, 10_000, OPTIONS["context"])
    step = number_of(named, "step", 1, 1, 1000, OPTIONS["step"])
    values, names, targets = _series(named, path)
    rows = len(values)
    test_from = rows - rows // 5
    val_from = test_from - test_from // 5
    if val_from - context - horizon < LEAST_WINDOWS * step:
        least = (LEAST_WINDOWS * step + context + horizon) * 25 // 16 + 2
        raise TaskError(
            f"{path}: expected at least {least:,} rows for a context of {context} and a horizon of "
            f"{horizon}, got {rows:,}"
        )
    held = values.shape[1] * 2 * context * rows // step
    if held > MOST_NUMBERS:
        raise TaskError(
            f"{path}: {rows:,} rows make examples of {held:,} numbers; expected at most {MOST_NUMBERS:,}: "
            "a larger step=, a smaller context="
        )
    known = values[:val_from]
    scale = Scale(np.nanmean(known, 0), _deviation(np.nanstd(known, 0)))
    scaled = (values - scale.mean) / scale.deviation
    turns = (context, val_from, test_from, (test_from + rows) // 2, rows)
    parts = {}
    for part, begin, end in zip(("train", "val", "selection", "test"), turns, turns[1:], strict=False):
        starts = np.arange(begin, end - horizon + 1, step) - context
        parts[part] = _windows(scaled, starts, context, horizon, targets)
        if not len(parts[part].inputs):
            raise TaskError(f"{path}: expected known values in rows {begin + 1:,} to {end:,}, got none")
    data = FileData(
        parts,
        0,
        hashlib.sha256(repr(sorted(named.options.items())).encode() + values.tobytes()).hexdigest(),
        plain=np.ones((2 * len(names), 1), np.bool_),
        offers={"horizon": horizon, "context": context, "channels": values.shape[1]},
        notes=[_found(values, names, targets, context, horizon)],
        baselines=BASELINES,
        loss="masked_squared_error",
        about=(
            f"Forecast the next {horizon} rows of {len(targets)} of {len(names)} columns from {context} "
            f"rows: channels 1 to {len(names)} are the values, standardised, a gap filled with the last "
            f"value; the other {len(names)} are 1 where a value is known. Outputs: {horizon} numbers of each "
            "column, column by column."
        ),
    )
    return file_task(str(named), data)


def _series(named: NamedFile, path: Path) -> tuple[NDArray[np.float64], list[str], list[int]]:
    """Values (time, channels) with NaN for gaps, the channels' names, and which are to be forecast."""
    if path.suffix.lower() == ".npy":
        values, names = _array(path)
        if "target" in named.options:
            raise TaskError(f"task {named}: target: expected of a table; an array has no names")
        return values, names, list(range(len(names)))
    columns = {name: each for name, each in read_table(path).items() if each.kind == "number"}
    if not columns:
        raise TaskError(f"{path}: expected columns of numbers, got none")
    names = list(columns)
    wanted = [name for name in named.options.get("target", "").split(",") if name] or names
    known = ", ".join(names[:20])
    for name in wanted:
        if name not in columns:
            raise TaskError(f"{path}: target: expected columns of numbers, {known}, got {name!r}")
    values = np.stack([np.where(each.missing, np.nan, each.values) for each in columns.values()], 1)
    return _sound(path, values, names), names, [names.index(name) for name in wanted]


def _array(path: Path) -> tuple[NDArray[np.float64], list[str]]:
    try:
        array = np.load(path, allow_pickle=False, mmap_mode="r")
    except (OSError, ValueError, EOFError) as error:
        raise TaskError(f"{path}: expected an array: {' '.join(str(error).split())[:200]}") from None
    if array.dtype.kind not in "biuf" or array.ndim not in (1, 2) or not array.size:
        raise TaskError(
            f"{path}: expected numbers (time,) or (time, channels), got {array.dtype} {array.shape}"
        )
    if array.size > MOST_NUMBERS:
        raise TaskError(f"{path}: expected at most {MOST_NUMBERS:,} numbers, got {array.size:,}")
    values = np.asarray(array, np.float64).reshape(len(array), -1)
    names = [f"channel {number}" for number in range(values.shape[1])]
    return _sound(path, values, names), names


def _sound(path: Path, values: NDArray[np.float64], names: list[str]) -> NDArray[np.float64]:
    """Raises TaskError for infinite numbers, and for a column that never varies where it is learnt from."""
    values = np.array(values, np.float64)
    for place, name in enumerate(names):
        column = values[: len(values) - len(values) // 5, place]
        known = column[~np.isnan(column)]
        if np.isinf(values[:, place]).any():
            row = int(np.flatnonzero(np.isinf(values[:, place]))[0]) + 1
            raise TaskError(
                f"{path}: {name}: expected finite numbers, got {values[row - 1, place]} in row {row:,}"
            )
        if not len(known) or not np.ptp(known):
            got = f"{known[0]:g} alone (silence)" if len(known) else "no value"
            raise TaskError(
                f"{path}: {name}: expected numbers that vary before row {len(column):,}, got {got}"
            )
    return values


def _deviation(spread: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(spread > 0, spread, 1.0)


def _windows(
    scaled: NDArray[np.float64], starts: NDArray[np.int64], context: int, horizon: int, targets: list[int]
) -> Split:
    """Examples that begin at `starts`, which are those whose future holds at least one known value."""
    there = ~np.isnan(scaled)
    last = np.maximum.accumulate(np.where(there, np.arange(len(scaled))[:, None], -1), 0)
    filled = np.where(last >= 0, np.take_along_axis(scaled, np.maximum(last, 0), 0), 0.0)
    seen = np.concatenate([filled, there], 1).astype(np.float32)
    past = starts[:, None] + np.arange(context)
    future = starts[:, None] + context + np.arange(horizon)
    answers = scaled[:, targets].astype(np.float32)[future].transpose(0, 2, 1).reshape(len(starts), -1)
    some = ~np.isnan(answers).all(1)
    inputs: Floats = np.ascontiguousarray(seen[past[some]].transpose(0, 2, 1))
    return Split(inputs, np.ascontiguousarray(answers[some]))


def _found(
    values: NDArray[np.float64], names: list[str], targets: list[int], context: int, horizon: int
) -> str:
    gaps = int(np.isnan(values).sum())
    columns = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
    said = f"{len(values):,} rows of {len(names)} columns ({columns})"
    what = ", ".join(names[place] for place in targets[:8])
    return (
        f"{said}, {gaps:,} gaps; {context} rows are seen, the next {horizon} of {what} forecast; the last "
        f"{len(values) // 5:,} rows are the sealed test"
    )
