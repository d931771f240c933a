"""What vetting finds in a proposal and in a model file on disk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from evoarch.agent.base.errors import UserError
from evoarch.agent.config.load import FILE, Config
from evoarch.agent.config.recorded import settings_of
from evoarch.agent.seeding.add import own_findings
from evoarch.agent.seeding.frozen import Opening
from evoarch.agent.seeding.record import frozen_seeds
from evoarch.agent.seeding.splice import opening_of
from evoarch.archive.database import as_text
from evoarch.sandbox.outcome import Finding
from evoarch.sandbox.vet import vet


def read_source(path: Path) -> str:
    """The text of a model file, without a byte order mark. Raises UserError where it isn't UTF-8."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path}: expected UTF-8 text, got byte {error.object[error.start]:#x}", code=1
        ) from None


def findings_of(
    source: str,
    config: Config,
    offers: Mapping[str, object],
    entry: str = "Model",
    opening: Opening | None = None,
) -> list[Finding]:
    """What keeps `source` from running in a campaign.

    `offers`: the task's arguments by name; `opening`: what may change, of a genome with frozen code. Where
    the campaign only reports (sandbox.vet), just what touches frozen code.
    """

    def vetted(text: str) -> list[Finding]:
        if config.sandbox.vet == "report":
            return []
        imports, recipe = config.sandbox.imports, config.evaluation.recipe_search
        return vet(text, entry=entry, offers=offers, imports=imports, recipe=recipe)

    found = vetted(source)
    if opening is None:
        return found
    return opening.findings(source, found, own_findings(vetted(opening.seed)))


def findings_in(
    path: Path, offers: Mapping[str, object], imports: Sequence[str] = (), *, recipe: bool = True
) -> list[Finding]:
    """The findings about a model file outside any run, which may import `imports` beside the usual modules
    and, with `recipe`, bring a RECIPE of its own.

    A seed that `seed add` wrote is the user's own code: only its imports and its entry are looked at, with
    what its campaign allows. Raises UserError for a file that isn't UTF-8.
    """
    source = read_source(path)
    seeds = frozen_seeds(path.parent, [path.name])
    folder = path.resolve().parent.parent
    if seeds and (folder / FILE).is_file():
        imports = (*imports, *settings_of(folder).config.sandbox.imports)
    found = vet(source, entry="Model", offers=offers, imports=imports, recipe=recipe)
    return opening_of(seeds[0]).findings(source, found, own_findings(found)) if seeds else found


def in_one_line(findings: Sequence[Finding]) -> str:
    """All findings of a genome, as a rejection's note."""
    return "; ".join(str(finding) for finding in findings)


def as_json(findings: Sequence[Finding]) -> list[dict[str, object]]:
    """For the archive: line (from 1), column (from 0), rule, message and hint of each."""
    rows = [asdict(finding) for finding in findings]
    return [{k: as_text(v) if isinstance(v, str) else v for k, v in row.items()} for row in rows]
