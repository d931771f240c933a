"""A winner as a unified diff against the user's own files, byte for byte."""

from __future__ import annotations

import difflib
from pathlib import Path

from evoarch.agent.base.errors import UserError
from evoarch.agent.seeding.record import FrozenSeed
from evoarch.agent.seeding.splice import SpliceError, splice
from evoarch.agent.seeding.texts import FileText


def patch(seed: FrozenSeed, child: str) -> bytes:
    """The difference between the user's files and what a descendant of their seed makes of them; b"" where it
    changes nothing.

    Raises UserError where a file was changed since it was added, or a change can't be returned.
    """
    for file in seed.record.files:
        path = Path(seed.record.repository) / file
        if not path.is_file() or path.read_bytes() != seed.contents[file]:
            raise UserError(
                f"{path}:1: was changed since the seed was added; restore it or add the seed again", code=1
            )
    return b"".join(
        _diff(file, seed.contents[file], new) for file, new in sorted(changed_files(seed, child).items())
    )


def changed_files(seed: FrozenSeed, child: str) -> dict[str, bytes]:
    """The new bytes of each file that a descendant changes. Raises UserError."""
    try:
        texts = splice(seed, child).texts
        return {file: FileText(seed.contents[file]).back(text) for file, text in texts.items()}
    except SpliceError as error:
        raise UserError(f"{seed.record.name}:{error.line}: {error.message}", code=1) from None
    except UnicodeEncodeError as error:
        raise UserError(
            f"{seed.record.file}: its encoding has no {error.object[error.start]!r}", code=1
        ) from None


def _diff(file: str, old: bytes, new: bytes) -> bytes:
    """As git reads it: a line ends with \\n and nothing else."""
    before, after = (_lines(data) for data in (old, new))
    lines = difflib.unified_diff(before, after, _quoted(f"a/{file}"), _quoted(f"b/{file}"))
    text = "".join(
        line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines
    )
    return text.encode("latin-1")


def _lines(data: bytes) -> list[str]:
    parts = data.decode("latin-1").split("\n")
    return [part + "\n" for part in parts[:-1]] + ([parts[-1]] if parts[-1] else [])


def _quoted(path: str) -> str:
    """A path as git writes it where it isn't plain (`git help diff`, core.quotePath)."""
    raw = path.encode()
    if all(0x20 < byte < 0x7F and byte not in b'"\\' for byte in raw):
        return path
    return '"' + "".join(chr(b) if 0x20 <= b < 0x7F and b not in b'"\\' else f"\\{b:03o}" for b in raw) + '"'
