"""An open archive file: its connection, transactions, events, and values as any SQLite tool can show them."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from evoarch.archive.errors import one_line


class Database:
    """One archive file, open. One thread. Opened for reading, SQLite refuses what writes.

    `clock` dates the events, in seconds since 1970. Every method raises ArchiveError, in one line, for what
    SQLite or the file system refuses.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection, clock: Callable[[], float]) -> None:
        self.path = path
        self.connection = connection
        self.clock = clock

    def close(self) -> None:
        """Close the file; nothing can be asked afterwards."""
        with one_line(self.path):
            self.connection.close()

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """All that is read inside belongs to one moment, whatever a run writes meanwhile."""
        with one_line(self.path):
            self.connection.execute("BEGIN")
        try:
            yield
        finally:
            with one_line(self.path):
                self.connection.execute("COMMIT")

    def rows(self, sql: str, *values: object) -> list[sqlite3.Row]:
        """All rows of a query."""
        with one_line(self.path):
            return self.connection.execute(sql, values).fetchall()

    def value(self, sql: str, *values: object) -> object:
        """The first column of the first row, None where there is no row."""
        rows = self.rows(sql, *values)
        return rows[0][0] if rows else None

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All changes made inside happen together, or none of them; nests. An error must be let out of it."""
        if self.connection.in_transaction:
            yield
            return
        self.do("BEGIN IMMEDIATE")
        try:
            yield
            self.do("COMMIT")
        except BaseException:  # whatever it was: cleaned up after, then raised on
            # SQLite has rolled back by itself where the disk is full.
            if self.connection.in_transaction:
                self.do("ROLLBACK")
            raise

    def do(self, sql: str, *values: object) -> int:
        """Run one statement; the id of the row it inserted, if it did."""
        with one_line(self.path):
            return self.connection.execute(sql, values).lastrowid or 0

    def event(
        self, kind: str, candidate: int | None = None, detail: Mapping[str, object] | None = None
    ) -> int:
        """Append one line to the diary; its id."""
        return self.do(
            "INSERT INTO events (time, kind, candidate, detail) VALUES (?, ?, ?, ?)",
            self.clock(),
            kind,
            candidate,
            as_json(detail or {}),
        )

    def insert(self, table: str, columns: Mapping[str, object]) -> int:
        """Insert one row; its id."""
        marks = ", ".join("?" * len(columns))
        return self.do(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})", *columns.values())


def as_text(text: str) -> str:
    """`text` as UTF-8 can hold it: surrogates that a broken reply left in it are written as escapes."""
    return text.encode("utf-8", "backslashreplace").decode()


def as_json(value: object) -> str:
    """`value` as JSON that any reader takes: numbers that JSON cannot say (a diverged curve's) are null."""
    try:
        return json.dumps(value, allow_nan=False)
    except ValueError:
        return json.dumps(finite(value), allow_nan=False)


def finite(value: object) -> object:
    """`value` with null for each number that JSON cannot say."""
    if isinstance(value, Mapping):
        return {key: finite(each) for key, each in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
