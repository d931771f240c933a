"""Which seed a candidate descends from, and so what may change in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from evoarch.agent.base.errors import UserError
from evoarch.agent.config.load import Config
from evoarch.agent.seeding.add import opening_of
from evoarch.agent.seeding.frozen import Opening
from evoarch.agent.seeding.patch import patch
from evoarch.agent.seeding.record import SeedRecord, records, text_digest
from evoarch.archive.records import Candidate
from evoarch.archive.store import Store


@dataclass(frozen=True)
class EditableRegions:
    """Answers for candidates of one campaign. `records` are by the seeds' names."""

    store: Store
    records: Mapping[str, SeedRecord] = field(default_factory=dict)
    _known: dict[int, Opening | None] = field(default_factory=dict, repr=False)

    def of(self, candidate: int) -> Opening | None:
        """What may change in a candidate and its children; None where everything may."""
        if not self.records:
            return None
        if candidate not in self._known:
            found = self.store.candidate(candidate)
            if found.parents:
                # The first parent is the one that was changed: its code is what stayed.
                self._known[candidate] = self.of(found.parents[0])
            else:
                record = self.record_of(found)
                self._known[candidate] = opening_of(record, found.source) if record else None
        return self._known[candidate]

    def seed_of(self, candidate: Candidate) -> Candidate:
        """The seed at the beginning of a candidate's line of first parents (itself, where it has none)."""
        while candidate.parents:
            candidate = self.store.candidate(candidate.parents[0])
        return candidate

    def record_of(self, seed: Candidate) -> SeedRecord | None:
        """The record of an inlined seed; None for a plain one."""
        return self.records.get(seed.name or "")


def patch_of(store: Store, folder: Path, config: Config, candidate: Candidate) -> str:
    """What a candidate changes in the repository that its seed was added from, as a unified diff.

    Raises UserError where its seed was not inlined, or nothing changed.
    """
    openings = EditableRegions(store, records(folder, config.seeds.files))
    seed = openings.seed_of(candidate)
    record = openings.record_of(seed)
    if record is None:
        whence = f"seed {seed.name}" if seed.operator == "seed" else f"operator {seed.operator}"
        raise UserError(
            f"#{candidate.id} descends from {whence}, which has no repository (`evoarch seed add`); --file "
            "writes it as one file",
            code=1,
        )
    text = patch(record, seed.source, candidate.source)
    if not text:
        raise UserError(f"#{candidate.id} changes nothing in {record.repository}", code=1)
    return text


def check_unchanged(records: Mapping[str, SeedRecord], sources: Mapping[str, str]) -> None:
    """Raises UserError for an inlined seed whose text is no longer what was written."""
    for file, source in sources.items():
        record = records.get(Path(file).stem)
        if record is not None and record.digest != text_digest(source):
            raise UserError(
                f"{file}: was changed after it was added, so its lines no longer lead back to "
                f"{record.file}; add it again, or remove {Path(file).with_suffix('.json')}",
                code=1,
            )
