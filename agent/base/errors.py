"""Errors that a person caused or can mend: one clear line, an exit code, no traceback."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path


class UserError(Exception):
    """An error that the command prints as one line. `code` is its exit code: 2 where the command or its
    configuration is wrong, 1 where they were understood and something they name does not fit.
    """

    def __init__(self, message: str, *, code: int = 2) -> None:
        super().__init__(message)
        self.code = code


@contextmanager
def files_told(path: Path) -> Iterator[None]:
    """Inside, an OSError becomes a UserError that names its file, or `path` where it names none."""
    try:
        yield
    except OSError as error:
        raise UserError(f"{error.filename or path}: {error.strerror or error}", code=1) from None


def nearest(word: str, known: Iterable[str]) -> str:
    """A phrase for a message: the word of `known` that is spelled most like `word`, or all if none is."""
    words = sorted(known)
    close = difflib.get_close_matches(word, words, n=1, cutoff=0.5)
    return f"nearest known: {close[0]}" if close else f"known: {', '.join(words)}"
