"""What vetting finds in a proposal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from evoarch.agent.config.load import Config
from evoarch.agent.seeding.frozen import Opening
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
