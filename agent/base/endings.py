"""The endings of files that a command writes: what a name promises is what is written."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from evoarch.agent.base.errors import UserError


def refuse_other_ending(option: str, path: Path, endings: Collection[str], what: str) -> None:
    """Raises UserError where `path`, given as `option`, ends otherwise than what is written into it.

    A name without an ending promises nothing. `what`: in words, what is written.
    """
    if path.suffix and path.suffix.lower() not in endings:
        raise UserError(
            f"{option} {path}: expected a name that ends in {' or '.join(endings)}: what is written is {what}"
        )
