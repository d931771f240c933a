"""What `evoarch.run_campaign` and `evoarch.open_archive` do; users find them at the top of the package."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from evoarch.agent.search.components import Ending
from evoarch.agent.search.session import open_session
from evoarch.archive.store import Store
from evoarch.archive.store import open_archive as _open_archive


async def run_campaign(folder: str | Path, overrides: Sequence[str] = (), *, unsafe: bool = False) -> Ending:
    """Starts the campaign in `folder` or goes on with it, until its budget is spent.

    `overrides` are `table.key=value`. Raises UserError (configuration) or ArchiveError (a second run, a newer
    archive), each one clear line.
    """
    async with open_session(Path(folder), overrides, unsafe=unsafe) as session:
        return await session.campaign.run()


def open_archive(folder: str | Path) -> Store:
    """The archive of a campaign, read-only; works while a run writes to it."""
    return _open_archive(Path(folder), write=False)
