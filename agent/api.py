"""What `evoarch.run_campaign` and `evoarch.open_archive` do; users find them at the top of the package."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from evoarch.agent.lm.base import LM
from evoarch.agent.operators.base import Operator
from evoarch.agent.search.components import Ending
from evoarch.agent.search.own_parts import GivenParts
from evoarch.agent.search.session import open_session
from evoarch.archive.store import Store
from evoarch.archive.store import open_archive as _open_archive
from evoarch.evaluators.metrics.base import Metric


async def run_campaign(
    folder: str | Path,
    overrides: Sequence[str] = (),
    *,
    unsafe: bool = False,
    operators: Sequence[Operator] = (),
    lms: Mapping[str, LM] | None = None,
    metrics: Sequence[Metric] = (),
) -> Ending:
    """Starts the campaign in `folder` or goes on with it, until its budget is spent.

    `overrides` are `table.key=value`, and stay for later runs. Parts of your own may be handed over as
    objects, which campaign.toml names like any others: an operator by its `name` in an [[operators]] table,
    a metric by its `name` in evaluation.metrics, a language model by its key in `lms`: the `name` of an
    [[lm]] table with backend = "given". Raises UserError or TaskError (configuration, your parts) or
    ArchiveError (a second run, a newer archive), each one clear line.
    """
    given = GivenParts(operators, dict(lms or {}), metrics)
    async with open_session(Path(folder), overrides, unsafe=unsafe, given=given) as session:
        return await session.campaign.run()


def open_archive(folder: str | Path) -> Store:
    """The archive of a campaign, read-only; works while a run writes to it."""
    return _open_archive(Path(folder), write=False)
