"""`text-class:FILE,target=COLUMN`: texts with labels, as a classification of their bytes.

`FILE` is a table (.csv, .tsv, .parquet), `target` its column of labels, `text` that of the texts (without it
the column whose texts are the longest). A model gets the first `context` bytes of a text (by default
`context=128`) as int64: each byte plus 1, and 0 behind the text's end. A fifth of the rows of each class is
sealed as the test by a fixed draw.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evoarch.evaluators.task import Split, TaskError
from evoarch.evaluators.tasks.files.named import NamedFile, number_of
from evoarch.evaluators.tasks.files.table_file import Column, named_column, read_table
from evoarch.evaluators.tasks.files.task import FileData, FileTask, file_task, with_a_test

OPTIONS = {
    "target": "the column of labels",
    "text": "the column of texts",
    "context": "bytes of a text that are read, 8 to 4096",
}
VOCABULARY = 257
LEAST, MOST_CLASSES = 5, 1_000
"""The fewest rows of a class, and the most classes."""

BASELINES = {"bag": "text_class_bag", "conv": "text_class_conv", "gru": "text_class_gru"}


def text_class_task(named: NamedFile, path: Path) -> FileTask:
    """The task of the file at `path`. Raises TaskError, one line that names the column."""
    named.refuse_unknown(OPTIONS)
    context = number_of(named, "context", 128, 8, 4096, OPTIONS["context"])
    columns = read_table(path)
    target = named_column(named, path, columns, "target")
    if "text" in named.options:
        texts = named_column(named, path, columns, "text")
    else:
        texts = _longest(path, columns, target)
    kept = np.flatnonzero(~target.missing & ~texts.missing)
    words = [f"{value:g}" if isinstance(value, float) else str(value) for value in target.values[kept]]
    classes = _classes(path, target.name, words)
    labels = np.array([classes.index(word) for word in words], np.int64)
    inputs, cut = _tokens([str(texts.values[row]) for row in kept], context)
    digest = hashlib.sha256(f"{sorted(named.options.items())}{classes}".encode())
    digest.update(inputs.tobytes() + labels.tobytes())
    counts = np.bincount(labels)
    each = ", ".join(f"{name} {count:,}" for name, count in zip(classes[:12], counts, strict=False))
    gone = len(target.values) - len(kept)
    notes = [
        f"{len(labels):,} texts of {texts.name}; target {target.name}: {len(classes)} classes ({each}"
        f"{', ...' if len(classes) > 12 else ''}); the first {context} bytes of each, {cut:,} are longer"
        + (f"; {gone:,} rows without a text or a label are left out" if gone else "")
    ]
    about = (
        f"Sort texts into {len(classes)} classes by their first {context} bytes: "
        "each byte plus 1, 0 behind the end."
    )
    return file_task(
        str(named),
        FileData(
            with_a_test(Split(inputs, labels)),
            len(classes),
            digest.hexdigest(),
            offers={"context": context, "vocab_size": VOCABULARY},
            notes=notes,
            baselines=BASELINES,
            about=about,
        ),
    )


def _longest(path: Path, columns: Mapping[str, Column], target: Column) -> Column:
    """The column of texts that hold most characters. Raises TaskError where there is none."""
    found = [column for column in columns.values() if column.kind == "text" and column is not target]
    if not found:
        raise TaskError(f"{path}: expected a column of texts beside {target.name}, got none")
    return max(found, key=lambda column: sum(len(str(value)) for value in column.values[~column.missing]))


def _classes(path: Path, name: str, words: list[str]) -> list[str]:
    counts = Counter(words)
    if not 2 <= len(counts) <= MOST_CLASSES:
        raise TaskError(f"{path}: {name}: expected 2 to {MOST_CLASSES:,} classes, got {len(counts):,}")
    for word, count in sorted(counts.items()):
        if count < LEAST:
            raise TaskError(
                f"{path}: {name}: expected at least {LEAST} rows of each class, got {count} of {word!r:.60}"
            )
    return sorted(counts)


def _tokens(texts: list[str], context: int) -> tuple[NDArray[Any], int]:
    """(n, context) int64, and how many texts are longer."""
    rows = np.zeros((len(texts), context), np.int64)
    cut = 0
    for row, text in zip(rows, texts, strict=True):
        whole = text.encode("utf-8", "surrogatepass")
        cut += len(whole) > context
        part = np.frombuffer(whole[:context], np.uint8)
        row[: len(part)] = part.astype(np.int64) + 1
    return rows, cut
