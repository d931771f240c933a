"""The opening and making of `archive.db`."""

from __future__ import annotations

import json
import os
import sqlite3
from pathlib import Path

from evoarch.archive.errors import ArchiveError, one_line
from evoarch.archive.private_files import open_private
from evoarch.archive.schema import READABLE, SINCE_READABLE, VERSION

BUSY_SECONDS = 30.0
"""How long a writer waits for another one (a reviewer's verdict) before it gives up."""


def connect(path: Path, *, write: bool) -> sqlite3.Connection:
    """Open the archive file `path` and check its version, migrating an older one when `write`. For reading,
    one of version `READABLE` or newer is taken as it is.

    Raises ArchiveError, with nothing changed, where the file is missing, no archive, or of a newer version.
    """
    _refuse_links(path)
    if not path.is_file():
        raise ArchiveError(f"{path}: no archive here yet; `evoarch run {path.parent}` makes it")
    with one_line(path):
        connection = _open(path, write=write)
        try:
            _refuse_programs(connection, path)
            version = _version(connection, path)
            if version > VERSION:
                raise ArchiveError(
                    f"{path}: schema version {version} is newer than {VERSION}, the newest this evoarch knows"
                )
            if version < READABLE and not write:
                raise ArchiveError(f"{path}: schema version {version}, expected {VERSION}: `run` upgrades it")
            if write:
                _migrate(connection)
            elif version < VERSION:
                _stand_in(connection)
        except BaseException:  # whatever it was: cleaned up after, then raised on
            connection.close()
            raise
    return connection


def _open(path: Path, *, write: bool) -> sqlite3.Connection:
    mode = "rw" if write else "ro"
    uri = f"{path.resolve().as_uri()}?mode={mode}"
    connection = sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None)
    connection.row_factory = sqlite3.Row
    if write:
        # In WAL mode only FULL syncs at each commit; NORMAL may lose the last ones at a power cut.
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
    return connection


def _version(connection: sqlite3.Connection, path: Path) -> int:
    try:
        row = connection.execute("SELECT value FROM meta WHERE key = 'schema_version'").fetchone()
        return int(json.loads(row[0]))
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise ArchiveError(f"{path}: not an evoarch archive (no schema version in table meta)") from error
    except sqlite3.OperationalError as error:
        if "no such" in str(error):
            raise ArchiveError(f"{path}: not an evoarch archive ({error})") from error
        raise


def _refuse_programs(connection: sqlite3.Connection, path: Path) -> None:
    """Raises ArchiveError for views and triggers: no archive has any, and reading them runs what they say."""
    found = connection.execute("SELECT type, name FROM sqlite_master WHERE type IN ('view', 'trigger')")
    if row := found.fetchone():
        raise ArchiveError(f"{path}: not an evoarch archive (it has a {row[0]}, {str(row[1])[:40]!r})")


def _stand_in(connection: sqlite3.Connection) -> None:
    """Empty tables for those that an older archive has not: in memory, of this connection alone."""
    connection.execute("PRAGMA temp_store = MEMORY")
    for statement in SINCE_READABLE.split(";"):
        connection.execute(statement.replace("CREATE TABLE", "CREATE TEMP TABLE"))


def _migrate(connection: sqlite3.Connection) -> None:
    # Here, so that a reader, who changes no table, does not load sqlite_utils.
    from evoarch.archive.migrations import migrate

    migrate(connection)


def build(path: Path, facts: dict[str, object]) -> None:
    """Make a new archive at `path` with `facts` as its meta rows, whole or not at all.

    It is made under another name first, so that an interrupted or refused `create` leaves no half archive.
    """
    _refuse_links(path)
    if path.exists():
        raise ArchiveError(f"{path}: there is an archive already")
    scratch = path.with_name(path.name + ".new")
    with one_line(path):
        _remove(scratch)
        # SQLite gives what it keeps beside a file that file's mode.
        os.close(open_private(scratch, os.O_RDWR | os.O_CREAT | os.O_EXCL))
        connection = sqlite3.connect(scratch, isolation_level=None)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            _migrate(connection)
            connection.execute("BEGIN")
            rows = [(key, json.dumps(value)) for key, value in facts.items()]
            connection.executemany("INSERT INTO meta VALUES (?, ?)", rows)
            connection.execute("COMMIT")
            connection.close()
            # What a killed run left beside an archive that was deleted would be replayed into this one.
            _remove(path, "-wal", "-shm")
            scratch.replace(path)
        except BaseException:  # whatever it was: cleaned up after, then raised on
            connection.close()
            _remove(scratch)
            raise


def _refuse_links(path: Path) -> None:
    """Raises ArchiveError where the archive, or what SQLite keeps beside it, is a symbolic link: SQLite would
    write to the file that it names.
    """
    for ending in ("", "-wal", "-shm"):
        file = path.with_name(path.name + ending)
        if file.is_symlink():
            raise ArchiveError(f"{file}: expected a file, got a symbolic link; move what it names here")


def _remove(path: Path, *endings: str) -> None:
    """Deletes `path` with these endings; without any, the file and what SQLite keeps beside it."""
    for ending in endings or ("", "-wal", "-shm"):
        path.with_name(path.name + ending).unlink(missing_ok=True)
