"""The text of a Python file as Python reads it, and back to the same bytes."""

from __future__ import annotations

import io
import re
import tokenize
from dataclasses import dataclass
from functools import cached_property

_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")


def lines_of(text: str) -> list[str]:
    """The lines as Python counts them, ends kept: only `\\n`, `\\r\\n` and `\\r` end one (PEP 278)."""
    return _LINE.findall(text)


def without_end(line: str) -> str:
    """A line without its end."""
    return line.rstrip("\r\n")


def end_of(line: str) -> str:
    """What ends a line, "" where nothing does."""
    return line[len(without_end(line)) :]


@dataclass(frozen=True)
class FileText:
    """A file's bytes. `encoding` is what Python reads them as, without the byte order mark."""

    data: bytes

    @cached_property
    def encoding(self) -> str:
        """Raises SyntaxError for an unknown one."""
        found = tokenize.detect_encoding(io.BytesIO(self.data).readline)[0]
        return "utf-8" if found == "utf-8-sig" else found

    @cached_property
    def mark(self) -> bytes:
        """The byte order mark, b"" where there is none."""
        return b"\xef\xbb\xbf" if self.data.startswith(b"\xef\xbb\xbf") else b""

    @cached_property
    def text(self) -> str:
        """Raises UnicodeDecodeError (a ValueError) where the bytes are not in their encoding."""
        return self.data[len(self.mark) :].decode(self.encoding)

    @cached_property
    def lines(self) -> list[str]:
        """Its lines, ends kept."""
        return lines_of(self.text)

    def back(self, text: str) -> bytes:
        """`text` as bytes of this file. Raises UnicodeEncodeError where its encoding lacks a character."""
        return self.mark + text.encode(self.encoding)
