"""Errors that a person caused or can mend: one clear line, an exit code, no traceback."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path


class UserError(Exception):
    """`code` 2: the command or its configuration is wrong; 1: the input was understood but does not hold."""

    def __init__(self, message: str, *, code: int = 2) -> None:
        super().__init__(message)
        self.code = code


@contextmanager
def files_told(path: Path) -> Iterator[None]:
    """Turns what the file system refuses into a UserError, which names `path` if the system names no file."""
    try:
        yield
    except OSError as error:
        raise UserError(f"{error.filename or path}: {error.strerror or error}", code=1) from None


def nearest(word: str, known: Iterable[str]) -> str:
    """A phrase that names the nearest known word, or all of them if none is near."""
    words = sorted(known)
    close = difflib.get_close_matches(word, words, n=1, cutoff=0.5)
    return f"nearest known: {close[0]}" if close else f"known: {', '.join(words)}"
