"""What vetting finds in a proposal, and what it found in one that was rejected."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from evoarch.agent.config.load import Config
from evoarch.agent.seeding.frozen import Opening
from evoarch.archive.database import as_text
from evoarch.archive.records import State
from evoarch.archive.store import Store
from evoarch.sandbox.outcome import Finding
from evoarch.sandbox.vet import vet


def findings_of(
    source: str,
    config: Config,
    offers: Mapping[str, object],
    entry: str = "Model",
    opening: Opening | None = None,
) -> list[Finding]:
    """What keeps `source` from running; where the campaign only reports, what touches frozen code."""
    found: list[Finding] = []
    if config.sandbox.vet != "report":
        found = vet(
            source,
            entry=entry,
            offers=offers,
            imports=config.sandbox.imports,
            recipe=config.evaluation.recipe_search,
        )
    return found if opening is None else opening.findings(source, found)


def in_one_line(findings: Sequence[Finding]) -> str:
    """All findings of a genome, as a rejection's note."""
    return "; ".join(str(finding) for finding in findings)


def as_json(findings: Sequence[Finding]) -> list[dict[str, object]]:
    """For the archive: line (from 1), column (from 0), rule, message and hint of each."""
    rows = [asdict(finding) for finding in findings]
    return [{k: as_text(v) if isinstance(v, str) else v for k, v in row.items()} for row in rows]


def found_about(store: Store, candidate: int) -> list[str]:
    """Why a candidate was rejected, a line for each finding; of a failed one its failure, [] of any other."""
    if rows := store.relatives.findings(candidate):
        return [str(Finding(**row)) for row in rows]
    reason = store.relatives.reason(candidate)
    if store.candidate(candidate).state is State.REJECTED:
        # Archives of earlier versions have all findings as one text.
        return [each for each in _NEXT.split(reason) if each]
    return [reason] if reason else []


_NEXT = re.compile(r"; (?=\d+:\d+ )")
"""Where the next finding begins in `in_one_line`."""
