"""An open archive file: its connection, and the few ways in which it is asked."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from evoarch.archive.errors import one_line


class Connected:
    """A campaign's archive file, open. One thread; close it, or use it as a context manager.

    Every method raises ArchiveError, in one line, for what SQLite or the file system refuses.
    """

    def __init__(self, folder: Path, path: Path, connection: sqlite3.Connection) -> None:
        self.folder = folder
        self.path = path
        self._connection = connection

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        with one_line(self.path):
            self._connection.close()

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """All that is read inside belongs to one moment, whatever a run writes meanwhile."""
        with one_line(self.path):
            self._connection.execute("BEGIN")
        try:
            yield
        finally:
            with one_line(self.path):
                self._connection.execute("COMMIT")

    def _rows(self, sql: str, *values: object) -> list[sqlite3.Row]:
        with one_line(self.path):
            return self._connection.execute(sql, values).fetchall()

    def _value(self, sql: str, *values: object) -> object:
        """The first column of the first row, None where there is no row."""
        rows = self._rows(sql, *values)
        return rows[0][0] if rows else None
