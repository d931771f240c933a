"""The one exception of this room, and the one place where SQLite's own become it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class ArchiveError(Exception):
    """One clear line: which archive, what was expected, what was found. Nothing was changed."""


@contextmanager
def one_line(path: Path) -> Iterator[None]:
    """Turn whatever SQLite or the file system says about `path` into one `ArchiveError`."""
    try:
        yield
    except sqlite3.Error as error:
        raise ArchiveError(f"{path}: {error}") from error
    except OSError as error:
        raise ArchiveError(f"{path}: {error.strerror or error}") from error
    except OverflowError as error:
        raise ArchiveError(f"{path}: expected a number that SQLite can hold ({error})") from error
    except (UnicodeEncodeError, UnicodeDecodeError) as error:
        raise ArchiveError(f"{path}: expected UTF-8 text, got {error.object[:60]!r}") from error
