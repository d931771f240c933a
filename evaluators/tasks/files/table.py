"""`table:FILE,target=COLUMN`: a table (.csv, .tsv, .parquet) as a classification or a regression.

Texts, truth values and integers of at most `FEW` values make classes of the target, other numbers a
regression; `kind=classes` or `kind=numbers` says which. `drop=a,b` leaves columns out; `decimal=comma` reads
1,5 as a number. A fifth of the rows is sealed as the test by a fixed draw, of each class alike.

A model gets one row as float32: numbers and dates (in days) standardised, a missing one as the median, with
a column of its own that says so; texts as category codes, where 0 is a text that was missing or seen only
once. What is learnt from the data (medians, codes, scales) is learnt from rows outside the test. The offer
`categories` says of each input how many codes it has, 0 for a number.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evoarch.evaluators.task import Floats, Split, Targets, TaskError
from evoarch.evaluators.tasks.files.named import NamedFile
from evoarch.evaluators.tasks.files.table_file import Column, named_column, read_table, refuse_mixed
from evoarch.evaluators.tasks.files.task import FileData, FileTask, file_task, sealed_rows

FEW = 20
"""A target of integers makes classes where it has at most so many values."""

LEAST_ROWS, LEAST = 25, 5
"""The fewest rows, and the fewest rows of a class."""

OPTIONS = {
    "target": "the column to predict",
    "kind": "classes or numbers",
    "drop": "columns to leave out",
    "decimal": "comma or point",
}

BASELINES = {"mlp": "table_mlp", "residual": "table_residual", "transformer": "table_transformer"}


def table_task(named: NamedFile, path: Path) -> FileTask:
    """The task of the file at `path`. Raises TaskError, one line that names the column or the row."""
    named.refuse_unknown(OPTIONS)
    decimal = _one_of(named, "decimal", ("point", "comma"))
    columns = read_table(path, decimal_comma=decimal == "comma")
    target = named_column(named, path, columns, "target")
    kept = ~target.missing
    if kept.sum() < LEAST_ROWS:
        raise TaskError(f"{path}: expected at least {LEAST_ROWS} rows with {target.name}, got {kept.sum()}")
    targets, classes = _targets(named, path, target, kept)
    sealed = sealed_rows(targets)
    features, notes = list[tuple[str, Floats, int]](), list[str]()
    for column in _used(named, path, columns, target):
        made, note = _features(path, column, kept, ~sealed)
        features += made
        notes += [note] if note else []
    if not features:
        raise TaskError(f"{path}: expected columns beside {target.name} to predict it from, got none")
    inputs = np.stack([values for _, values, _ in features], 1).astype(np.float32)
    sizes = tuple(size for _, _, size in features)
    parts = {
        "train": Split(inputs[~sealed], targets[~sealed]),
        "test": Split(inputs[sealed], targets[sealed]),
    }
    with path.open("rb") as file:
        digest = hashlib.sha256(f"{sorted(named.options.items())}".encode())
        digest.update(hashlib.file_digest(file, "sha256").digest())
    return file_task(
        str(named),
        FileData(
            parts,
            len(classes),
            digest.hexdigest(),
            plain=np.array(sizes) > 0,
            offers={"categories": sizes},
            notes=[_rows(target, targets, classes, int((~kept).sum())), _inputs(features), *notes],
            baselines=BASELINES,
        ),
    )


def _one_of(named: NamedFile, key: str, known: Sequence[str]) -> str:
    said = named.options.get(key, "")
    if said and said not in known:
        raise TaskError(f"task {named}: {key}: expected {' or '.join(known)}, got {said!r}")
    return said


def _used(named: NamedFile, path: Path, columns: Mapping[str, Column], target: Column) -> list[Column]:
    """The columns that a model sees. Raises TaskError for a dropped one that is not there."""
    dropped = [name for name in named.options.get("drop", "").split(",") if name]
    for name in dropped:
        if name not in columns:
            raise TaskError(f"task {named}: drop: expected a column of {path}, got {name!r}")
    return [column for column in columns.values() if column is not target and column.name not in dropped]


def _targets(
    named: NamedFile, path: Path, target: Column, kept: NDArray[np.bool_]
) -> tuple[Targets, Sequence[str]]:
    """Class numbers and the names of the classes, or numbers (n, 1) and no names. Raises TaskError."""
    values = target.values[kept]
    kind = _one_of(named, "kind", ("classes", "numbers"))
    if not kind:
        few = target.whole and len(np.unique(values)) <= FEW
        kind = "classes" if target.kind == "text" or few else "numbers"
    if kind == "numbers":
        if target.kind == "text":
            raise TaskError(f"{path}: {target.name}: expected numbers, got texts such as {values[0]!r:.60}")
        if not np.ptp(values):
            raise TaskError(f"{path}: {target.name}: expected numbers that vary, got {values[0]:g} alone")
        return values.astype(np.float32)[:, None], ()
    if target.kind == "text":
        refuse_mixed(path, target)
    words = [str(value) if target.kind == "text" else f"{value:g}" for value in values]
    counts = Counter(words)
    order = sorted(counts) if target.kind == "text" else sorted(counts, key=float)
    if len(order) < 2:
        raise TaskError(f"{path}: {target.name}: expected at least two classes, got {order[0]!r} alone")
    for word in order:
        if counts[word] < LEAST:
            hint = "; kind=numbers makes a regression" if target.kind != "text" else ""
            raise TaskError(
                f"{path}: {target.name}: expected at least {LEAST} rows of each class, got {counts[word]} of "
                f"{word!r}{hint}"
            )
    places = {word: place for place, word in enumerate(order)}
    return np.array([places[word] for word in words], np.int64), order


def _features(
    path: Path, column: Column, kept: NDArray[np.bool_], known: NDArray[np.bool_]
) -> tuple[list[tuple[str, Floats, int]], str]:
    """The inputs that a column makes (name, values, number of codes), and what is to be said of it.

    `known`: the kept rows that something may be learnt from.
    """
    values, missing = column.values[kept], column.missing[kept]
    if missing[known].all():
        return [], f"{column.name}: no value: left out"
    if column.kind == "text":
        refuse_mixed(path, column)
        counts = Counter(values[known & ~missing])
        words = sorted(word for word, count in counts.items() if count > 1)
        if len(counts) > known.sum() / 2 or not words:
            return [], f"{column.name}: {len(counts):,} different texts: left out"
        codes = {word: code for code, word in enumerate(words, 1)}
        coded = np.array([codes.get(value, 0) for value in values], np.float32)
        return [(column.name, coded, len(codes) + 1)], ""
    filled = np.where(missing, np.median(values[known & ~missing]), values)
    made = [(column.name, filled.astype(np.float32), 0)]
    if missing[known].any():
        made.append((f"{column.name} missing", missing.astype(np.float32), 0))
    return made, ""


def _rows(target: Column, targets: Targets, classes: Sequence[str], lost: int) -> str:
    if classes:
        counts = np.bincount(np.asarray(targets, np.int64))
        each = ", ".join(f"{name} {count:,}" for name, count in zip(classes[:12], counts, strict=False))
        what = f"{len(classes)} classes ({each}{', ...' if len(classes) > 12 else ''})"
    else:
        what = f"numbers from {targets.min():g} to {targets.max():g}"
    gone = f"; {lost:,} rows without it are left out" if lost else ""
    return f"{len(targets):,} rows; target {target.name}: {what}{gone}"


def _inputs(features: Sequence[tuple[str, Floats, int]]) -> str:
    numbers = [name for name, _, size in features if not size]
    texts = [f"{name} {size - 1}" for name, _, size in features if size]

    def few(names: list[str]) -> str:
        return ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")

    said = [f"{len(numbers)} numbers ({few(numbers)})"] if numbers else []
    said += [f"{len(texts)} categories ({few(texts)})"] if texts else []
    return "inputs: " + "; ".join(said)
