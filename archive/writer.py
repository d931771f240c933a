"""How the archive is written: transactions, events, and values as any SQLite tool can show them."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from evoarch.archive.connection import Connected
from evoarch.archive.errors import one_line


class Writer(Connected):
    """The means of writing. Opened for reading, SQLite refuses them all."""

    def __init__(
        self, folder: Path, path: Path, connection: sqlite3.Connection, clock: Callable[[], float]
    ) -> None:
        super().__init__(folder, path, connection)
        self._clock = clock

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All changes made inside happen together, or none of them; nests. An error must be let out of it."""
        if self._connection.in_transaction:
            yield
            return
        self._do("BEGIN IMMEDIATE")
        try:
            yield
            self._do("COMMIT")
        except BaseException:  # whatever it was: cleaned up after, then raised on
            # SQLite has rolled back by itself where the disk is full.
            if self._connection.in_transaction:
                self._do("ROLLBACK")
            raise

    def _do(self, sql: str, *values: object) -> int:
        """Run one statement; the id of the row it inserted, if it did."""
        with one_line(self.path):
            return self._connection.execute(sql, values).lastrowid or 0

    def event(
        self, kind: str, candidate: int | None = None, detail: Mapping[str, object] | None = None
    ) -> int:
        """Append one line to the diary; its id."""
        return self._do(
            "INSERT INTO events (time, kind, candidate, detail) VALUES (?, ?, ?, ?)",
            self._clock(),
            kind,
            candidate,
            as_json(detail or {}),
        )

    def _insert(self, table: str, columns: Mapping[str, object]) -> int:
        """Insert one row; its id."""
        marks = ", ".join("?" * len(columns))
        return self._do(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})", *columns.values())


def as_text(text: str) -> str:
    """`text` as UTF-8 can hold it: surrogates that a broken reply left in it are written as escapes."""
    return text.encode("utf-8", "backslashreplace").decode()


def as_json(value: object) -> str:
    """`value` as JSON that any reader takes: numbers that JSON cannot say (a diverged curve's) are null."""
    try:
        return json.dumps(value, allow_nan=False)
    except ValueError:
        return json.dumps(_finite(value), allow_nan=False)


def _finite(value: object) -> object:
    if isinstance(value, Mapping):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
