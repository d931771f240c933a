"""Which seed a candidate descends from, and so what may change in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from evoarch.agent.base.errors import UserError
from evoarch.agent.config.load import Config
from evoarch.agent.seeding.frozen import Opening
from evoarch.agent.seeding.patch import patch
from evoarch.agent.seeding.record import FrozenSeed, SeedRecord, frozen_seeds, text_digest
from evoarch.agent.seeding.splice import opening_of
from evoarch.archive.records import Candidate
from evoarch.archive.store import Store


def seeds_by_name(folder: Path, config: Config) -> dict[str, FrozenSeed]:
    """The seeds of a campaign that came from repositories, by name. Raises UserError."""
    return {seed.record.name: seed for seed in frozen_seeds(folder, config.seeds.files)}


@dataclass(frozen=True)
class EditableRegions:
    """Answers for candidates of one campaign. `seeds` are by their names."""

    store: Store
    seeds: Mapping[str, FrozenSeed] = field(default_factory=dict)
    _known: dict[int, Opening | None] = field(default_factory=dict, repr=False)

    def of(self, candidate: int) -> Opening | None:
        """What may change in a candidate and its children; None where everything may."""
        if not self.seeds:
            return None
        if candidate not in self._known:
            found = self.store.candidate(candidate)
            if found.parents:
                # The first parent is the one that was changed: its code is what stayed.
                self._known[candidate] = self.of(found.parents[0])
            else:
                seed = self.frozen_of(found)
                self._known[candidate] = opening_of(seed) if seed else None
        return self._known[candidate]

    def seed_of(self, candidate: Candidate) -> Candidate:
        """The seed at the beginning of a candidate's line of first parents (itself, where it has none)."""
        while candidate.parents:
            candidate = self.store.candidate(candidate.parents[0])
        return candidate

    def frozen_of(self, seed: Candidate) -> FrozenSeed | None:
        """A seed from a repository with its frozen files; None for a plain one."""
        return self.seeds.get(seed.name or "")


def repository_of(store: Store, folder: Path, config: Config, candidate: Candidate) -> FrozenSeed | None:
    """The seed from a repository that a candidate descends from; None where it descends from none."""
    openings = EditableRegions(store, seeds_by_name(folder, config))
    return openings.frozen_of(openings.seed_of(candidate))


def patch_of(store: Store, folder: Path, config: Config, candidate: Candidate) -> bytes:
    """What a candidate changes in the repository that its seed was added from, as a unified diff.

    Raises UserError where its seed came from none, or nothing changed.
    """
    seed = repository_of(store, folder, config, candidate)
    if seed is None:
        first = EditableRegions(store).seed_of(candidate)
        whence = f"seed {first.name}" if first.operator == "seed" else f"operator {first.operator}"
        raise UserError(
            f"#{candidate.id} descends from {whence}, which has no repository (`evoarch seed add`); --file "
            "writes it as one file",
            code=1,
        )
    text = patch(seed, candidate.source)
    if not text:
        raise UserError(f"#{candidate.id} changes nothing in {seed.record.repository}", code=1)
    return text


def check_unchanged(records: Mapping[str, SeedRecord], sources: Mapping[str, str]) -> None:
    """Raises UserError for a seed from a repository whose text is no longer what was written."""
    for file, source in sources.items():
        record = records.get(Path(file).stem)
        if record is not None and record.digest != text_digest(source):
            raise UserError(
                f"{file}: was changed after it was added, so its lines no longer lead back to "
                f"{record.file}; add it again, or remove {Path(file).with_suffix('.json')}",
                code=1,
            )
