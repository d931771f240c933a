"""What is remembered of a seed that was inlined: seeds/<name>.json beside seeds/<name>.py."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from evoarch.agent.base.errors import UserError
from evoarch.agent.seeding.inline import Piece

VERSION = 1

OWN = frozenset(["inner", "evolve", "pieces"])
"""Keys that JSON of another kind hardly has: a file without any of them is no record, but the user's own."""


@dataclass(frozen=True)
class SeedRecord:
    """`repository` is absolute; `files` maps each inlined file, relative to it, to its SHA-256.

    `entry` is the entry as the user named it, `inner` as the genome calls it. `adapter` is the text that
    was added to make it fit the task ("" if none). `evolve`: names that may change ("": all but the
    adapter). `digest`: SHA-256 of the genome's text as it was written.
    """

    name: str
    repository: str
    file: str
    entry: str
    inner: str
    kwargs: Mapping[str, object]
    evolve: tuple[str, ...]
    adapter: str
    digest: str
    files: Mapping[str, str]
    pieces: tuple[Piece, ...]
    imports: tuple[str, ...] = ()
    version: int = field(default=VERSION)

    def save(self, path: Path) -> None:
        """Writes the record as JSON."""
        path.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")


def text_digest(text: str) -> str:
    """SHA-256 of the text, in hexadecimal: a seed or a file of the user's that changed has another one."""
    return hashlib.sha256(text.encode()).hexdigest()


def beside(seed: Path) -> Path:
    """Where the record of a seed file stands."""
    return seed.with_suffix(".json")


def load_record(seed: Path) -> SeedRecord | None:
    """The record of a seed file, None where it was not inlined. Raises UserError for a damaged one."""
    path = beside(seed)
    if not path.is_file():
        return None
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(data, dict) or not OWN & data.keys():
            return None
        pieces = tuple(
            Piece(**{**p, "names": tuple(p["names"]), "original": tuple(p["original"])})
            for p in data["pieces"]
        )
        lists = {key: tuple(data[key]) for key in ("evolve", "imports")}
        return SeedRecord(**{**data, **lists, "pieces": pieces})
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UserError(f"{path}: not a record of a seed ({error}); add the seed again", code=1) from None


def records(folder: Path, files: Sequence[str]) -> dict[str, SeedRecord]:
    """The records of a campaign's seeds, by the seed's name."""
    found = {Path(file).stem: load_record(folder / file) for file in files}
    return {name: record for name, record in found.items() if record is not None}
