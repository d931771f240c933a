"""A table on disk, read by DuckDB: columns by name, as numbers or as texts. What is refused is said here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evoarch.evaluators.task import TaskError
from evoarch.evaluators.tasks.files.named import NamedFile

MOST_COLUMNS = 4_096
SUFFIXES = (".csv", ".tsv", ".txt", ".parquet")
NUMERIC = ("INT", "FLOAT", "DOUBLE", "DECIMAL", "REAL", "BOOLEAN")
DATES = ("DATE", "TIME")


@dataclass(frozen=True)
class Column:
    """One column. `values`: float64, or text as objects; `missing`: (rows,). `kind`: number, date or text;
    `whole`: all its numbers are integers or truth values.
    """

    name: str
    kind: str
    values: NDArray[Any]
    missing: NDArray[np.bool_]
    whole: bool = False


def read_table(path: Path, *, decimal_comma: bool = False) -> dict[str, Column]:
    """The columns of a file by name. Raises TaskError, one line that names the file and what was expected."""
    try:
        import duckdb
    except ImportError:
        raise TaskError("task table: expected DuckDB: pip install 'evoarch[table]'") from None
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise TaskError(f"{path}: expected a file {', '.join(SUFFIXES)}, got {suffix or 'no suffix'}")
    if not path.is_file():
        raise TaskError(f"{path}: expected a table: no such file")
    reader = "read_parquet(?)" if suffix == ".parquet" else "read_csv(?, sample_size = -1, header = true)"
    if decimal_comma and suffix != ".parquet":
        reader = "read_csv(?, sample_size = -1, header = true, decimal_separator = ',')"
    try:
        with duckdb.connect(config={"threads": 1}) as connection:
            found = connection.execute(f"SELECT * FROM {reader}", [str(path)])
            kinds = {name: str(kind) for name, kind, *_ in found.description}
            if len(kinds) > MOST_COLUMNS:
                raise TaskError(f"{path}: expected at most {MOST_COLUMNS:,} columns, got {len(kinds):,}")
            arrays: Mapping[str, NDArray[Any]] = found.fetchnumpy()
    except duckdb.Error as error:
        said = " ".join(str(error).split())
        raise TaskError(f"{path}: expected a table: {said[:200]}") from None
    return {name: _column(name, kinds[name], arrays[name]) for name in kinds}


def _column(name: str, kind: str, array: NDArray[Any]) -> Column:
    missing = np.array(np.ma.getmaskarray(array))
    plain = np.ma.getdata(array)
    if any(word in kind for word in DATES) and plain.dtype.kind == "M":
        days = plain.astype("datetime64[s]").astype(np.float64) / 86_400
        return Column(name, "date", days, missing | np.isnat(plain))
    if any(word in kind for word in NUMERIC) and plain.dtype.kind in "biuf":
        numbers = plain.astype(np.float64)
        missing = missing | ~np.isfinite(numbers)
        whole = plain.dtype.kind != "f" or bool(np.all(numbers[~missing] % 1 == 0))
        return Column(name, "number", numbers, missing, whole)
    texts = np.array(
        [None if gone else str(value) for value, gone in zip(plain, missing, strict=True)], object
    )
    empty = np.array([text is None or not text.strip() for text in texts], np.bool_)
    return Column(name, "text", texts, empty)


def named_column(named: NamedFile, path: Path, columns: Mapping[str, Column], key: str) -> Column:
    """The column that the option `key` names. Raises TaskError, one line that lists those there are."""
    name = named.options.get(key, "")
    known = ", ".join(list(columns)[:20]) + (", ..." if len(columns) > 20 else "")
    if not name:
        raise TaskError(f"task {named}: expected ,{key}=COLUMN, one of: {known}")
    if name not in columns:
        raise TaskError(f"{path}: expected a column {name!r}, got: {known}")
    return columns[name]


def refuse_mixed(path: Path, column: Column) -> None:
    """Raises TaskError for texts most of which are numbers: one bad cell makes the whole column text."""
    texts = [str(value) for value in column.values[~column.missing]]
    other = [text for text in texts if not _is_number(text)]
    comma = all(_is_number(text.replace(",", ".")) for text in other)
    if other and (comma or len(other) < len(texts) / 2):
        row = int(np.flatnonzero(column.values == other[0])[0]) + 1
        hint = "; decimal=comma reads such numbers" if comma else ""
        raise TaskError(f"{path}: {column.name}: expected numbers, got {other[0]!r:.60} in row {row:,}{hint}")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
