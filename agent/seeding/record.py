"""What is remembered of a seed from a repository: seeds/<name>.json and its frozen files in
seeds/<name>.zip.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path

from safetensors import SafetensorError
from safetensors.numpy import load_file

from evoarch.agent.base.errors import UserError
from evoarch.agent.seeding.opened import OpenDefinition
from evoarch.agent.seeding.texts import FileText
from evoarch.sandbox.frozen import FrozenModule, FrozenModules
from evoarch.sandbox.outcome import Array

VERSION = 2

OWN = frozenset(["inner", "evolve", "pieces", "opened"])
"""Keys that JSON of another kind hardly has: a file without any of them is no record, but the user's own."""

_EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class SeedRecord:
    """`repository` is absolute; `file`, `line` and `entry` are where the entry stands and its name there.

    `opened`: the definitions that may change; `named`: whether the user named them. `header`: the genome's
    import lines, which tell what names mean. `spelled`: by file, what the genome's names are called there.
    `signatures`: of frozen definitions that open code names. `adapter`: the text that was added to fit the
    task ("" if none); `program`: what it imports. `modules`: path and kind of each frozen module by name;
    `installed`: what they import from the interpreter's packages. `data`: files that they read. `frozen`:
    the digest of all that; `digest`: SHA-256 of the genome's text as it was written. `weights`: whether a
    checkpoint came along.
    """

    name: str
    repository: str
    file: str
    line: int
    entry: str
    module: str
    kwargs: Mapping[str, object]
    named: bool
    opened: tuple[OpenDefinition, ...]
    header: tuple[str, ...]
    spelled: Mapping[str, Mapping[str, str]]
    signatures: Mapping[str, str]
    adapter: str
    program: tuple[str, ...]
    modules: Mapping[str, tuple[str, bool]]
    installed: tuple[str, ...]
    data: tuple[str, ...]
    frozen: str
    digest: str
    weights: bool = False
    version: int = field(default=VERSION)

    @property
    def evolve(self) -> tuple[str, ...]:
        """The genome's names of what may change."""
        return tuple(each.name for each in self.opened)

    @property
    def files(self) -> tuple[str, ...]:
        """The files with open definitions."""
        return tuple(dict.fromkeys(each.file for each in self.opened))

    def save(self, path: Path) -> None:
        """Writes the record as JSON."""
        path.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")


@dataclass(frozen=True)
class FrozenSeed:
    """A seed's record with its genome and the bytes of its frozen files, by path."""

    record: SeedRecord
    genome: str
    contents: Mapping[str, bytes]
    weights: Mapping[str, Array] = field(default_factory=dict, compare=False)
    """The checkpoint that training begins at, by the genome's own names."""

    @cached_property
    def modules(self) -> FrozenModules:
        """What a zygote needs to hold for this seed and its descendants."""
        record = self.record
        return FrozenModules(
            {
                name: FrozenModule(path, self.contents.get(path, b""), package)
                for name, (path, package) in record.modules.items()
            },
            (record.module,),
            frozenset(each.module for each in record.opened),
            record.installed,
            {path: self.contents[path] for path in record.data},
        )

    def __hash__(self) -> int:
        return hash((self.record.frozen, self.record.digest))


def frozen_digest(
    modules: Mapping[str, tuple[str, bool]],
    contents: Mapping[str, bytes],
    opened: Sequence[OpenDefinition],
    program: Sequence[str],
) -> str:
    """Half of a SHA-256 of all that is frozen, of what is open in it and of how it is called, in
    hexadecimal.
    """
    found = hashlib.sha256()
    for name in sorted(modules):
        path, package = modules[name]
        found.update(f"{name}\0{path}\0{package}\0".encode())
    for path in sorted(contents):
        found.update(f"{path}\0".encode() + hashlib.sha256(_closed(path, contents[path], opened)).digest())
    found.update(json.dumps([[[o.module, o.original] for o in opened], list(program)]).encode())
    return found.hexdigest()[:32]


def _closed(path: str, data: bytes, opened: Sequence[OpenDefinition]) -> bytes:
    """A file without its open definitions, so that patched open code leaves it the same."""
    spans = sorted((o.start - 1, o.end) for o in opened if o.file == path)
    if not spans:
        return data
    lines = FileText(data).lines
    for start, end in reversed(spans):
        lines = lines[:start] + lines[end:]
    return "".join(lines).encode()


def text_digest(text: str) -> str:
    """SHA-256 of the text, in hexadecimal: a seed that changed has another one."""
    return hashlib.sha256(text.encode()).hexdigest()


def beside(seed: Path) -> Path:
    """Where the record of a seed file stands."""
    return seed.with_suffix(".json")


def archive_of(seed: Path) -> Path:
    """Where the frozen files of a seed stand."""
    return seed.with_suffix(".zip")


def weights_of(seed: Path) -> Path:
    """Where the checkpoint of a seed stands, if it has one."""
    return seed.with_suffix(".safetensors")


def packed(contents: Mapping[str, bytes]) -> bytes:
    """The files as a zip archive, the same for the same files."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(contents):
            archive.writestr(zipfile.ZipInfo(path, _EPOCH), contents[path], zipfile.ZIP_DEFLATED)
    return stream.getvalue()


def load_record(seed: Path) -> SeedRecord | None:
    """The record of a seed file, None where it has none. Raises UserError for a damaged one."""
    path = beside(seed)
    if not path.is_file():
        return None
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(data, dict) or not OWN & data.keys():
            return None
        if data.get("version") != VERSION:
            raise ValueError(f"version {data.get('version')} of an earlier evoarch")
        opened = tuple(OpenDefinition(**each) for each in data["opened"])
        lists = {key: tuple(data[key]) for key in ("header", "program", "installed", "data")}
        modules = {name: (str(path), bool(package)) for name, (path, package) in data["modules"].items()}
        return SeedRecord(**{**data, **lists, "opened": opened, "modules": modules})
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UserError(f"{path}: not a record of a seed ({error}); add the seed again", code=1) from None


def records(folder: Path, files: Sequence[str]) -> dict[str, SeedRecord]:
    """The records of a campaign's seeds, by the seed's name."""
    found = {Path(file).stem: load_record(folder / file) for file in files}
    return {name: record for name, record in found.items() if record is not None}


def frozen_seeds(folder: Path, files: Sequence[str]) -> tuple[FrozenSeed, ...]:
    """The seeds of a campaign that came from repositories, with their frozen files. Raises UserError."""
    found = []
    for file in files:
        path = folder / file
        if record := load_record(path):
            found.append(_loaded(path, record))
    return tuple(found)


def _loaded(path: Path, record: SeedRecord) -> FrozenSeed:
    place = archive_of(path)
    try:
        genome = path.read_text(encoding="utf-8")
        stat = place.stat()
        contents = _contents(place, stat.st_mtime_ns, stat.st_size)
        weights = load_file(weights_of(path)) if record.weights else {}
    except (OSError, zipfile.BadZipFile, UnicodeDecodeError, SafetensorError) as error:
        raise UserError(
            f"{place}: the frozen files of seed {record.name} can't be read: {error}", code=1
        ) from None
    if (
        frozen_digest(record.modules, contents, record.opened, (record.adapter, *record.program))
        != record.frozen
    ):
        raise UserError(f"{place}: was changed after the seed was added; add it again", code=1)
    return FrozenSeed(record, genome, contents, weights)


@lru_cache(maxsize=16)
def _contents(place: Path, when: int, size: int) -> Mapping[str, bytes]:
    with zipfile.ZipFile(place) as archive:
        return {each.filename: archive.read(each) for each in archive.infolist()}
