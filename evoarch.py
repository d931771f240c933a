"""evoarch's public Python API: one module beside the rooms, so that no user imports a name like `agent`.

>>> import asyncio, evoarch
>>> ending = asyncio.run(evoarch.run_campaign("demo"))          # doctest: +SKIP
>>> evoarch.open_archive("demo").scored()                       # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from agent.breeding import Ending
from agent.errors import UserError
from agent.lm.fakes import ReplayLM, ScriptedLM
from agent.lm.seam import LM, LMError, LMReply, LMRequest
from agent.operators.base import Draft, Operator, Order, Parent
from agent.session import open_session
from archive.errors import ArchiveError
from archive.records import Candidate, Evaluation, Failed, Fault, Outcome, Scored, State
from archive.store import Store
from archive.store import open_archive as _open_archive
from evaluators.contract import TaskContract
from evaluators.task import Recipe, Split, Splits, Task, TaskError
from evaluators.tasks import load_task
from evaluators.tasks.data import DataTask
from sandbox.genome import canonical, source_digest
from sandbox.outcome import Finding
from sandbox.vet import vet

__all__ = [
    "LM",
    "ArchiveError",
    "Candidate",
    "DataTask",
    "Draft",
    "Ending",
    "Evaluation",
    "Failed",
    "Fault",
    "Finding",
    "LMError",
    "LMReply",
    "LMRequest",
    "Operator",
    "Order",
    "Outcome",
    "Parent",
    "Recipe",
    "ReplayLM",
    "Scored",
    "ScriptedLM",
    "Split",
    "Splits",
    "State",
    "Store",
    "Task",
    "TaskContract",
    "TaskError",
    "UserError",
    "canonical",
    "load_task",
    "open_archive",
    "run_campaign",
    "source_digest",
    "vet",
]


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
