"""evoarch's public Python API. Names are loaded when they are first used, so that `import evoarch` is quick.

>>> import asyncio, evoarch
>>> ending = asyncio.run(evoarch.run_campaign("demo"))          # doctest: +SKIP
>>> evoarch.open_archive("demo").scored()                       # doctest: +SKIP
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from evoarch.agent.api import (
        candidates,
        compare,
        confirm,
        diff,
        evaluate,
        export,
        figures,
        init,
        open_archive,
        run,
        run_campaign,
        status,
    )
    from evoarch.agent.base.errors import UserError
    from evoarch.agent.config.lm import LMSettings
    from evoarch.agent.lm.base import LM, LMError, LMReply, LMRequest
    from evoarch.agent.lm.contract import LMContract
    from evoarch.agent.lm.fakes import ScriptedLM
    from evoarch.agent.lm.replay import ReplayLM
    from evoarch.agent.operators.base import Draft, Operator, OperatorSettings, Order, Parent
    from evoarch.agent.operators.contract import OperatorContract
    from evoarch.agent.search.components import Ending
    from evoarch.archive.errors import ArchiveError
    from evoarch.archive.records import Candidate, Evaluation, Failed, Fault, Outcome, Scored, State
    from evoarch.archive.store import Store
    from evoarch.evaluators.contract import TaskContract
    from evoarch.evaluators.metrics.base import Metric
    from evoarch.evaluators.metrics.contract import MetricContract
    from evoarch.evaluators.task import Recipe, Split, Splits, Task, TaskError
    from evoarch.evaluators.tasks import load_task
    from evoarch.evaluators.tasks.data import DataTask
    from evoarch.sandbox.genome import canonical, source_digest
    from evoarch.sandbox.outcome import Finding
    from evoarch.sandbox.vet import vet

_HOMES = {
    "agent.api": (
        "candidates",
        "compare",
        "confirm",
        "diff",
        "evaluate",
        "export",
        "figures",
        "init",
        "open_archive",
        "run",
        "run_campaign",
        "status",
    ),
    "agent.base.errors": ("UserError",),
    "agent.config.lm": ("LMSettings",),
    "agent.lm.base": ("LM", "LMError", "LMReply", "LMRequest"),
    "agent.lm.contract": ("LMContract",),
    "agent.lm.fakes": ("ScriptedLM",),
    "agent.lm.replay": ("ReplayLM",),
    "agent.operators.base": ("Draft", "Operator", "OperatorSettings", "Order", "Parent"),
    "agent.operators.contract": ("OperatorContract",),
    "agent.search.components": ("Ending",),
    "archive.errors": ("ArchiveError",),
    "archive.records": ("Candidate", "Evaluation", "Failed", "Fault", "Outcome", "Scored", "State"),
    "archive.store": ("Store",),
    "evaluators.contract": ("TaskContract",),
    "evaluators.metrics.base": ("Metric",),
    "evaluators.metrics.contract": ("MetricContract",),
    "evaluators.task": ("Recipe", "Split", "Splits", "Task", "TaskError"),
    "evaluators.tasks": ("load_task",),
    "evaluators.tasks.data": ("DataTask",),
    "sandbox.genome": ("canonical", "source_digest"),
    "sandbox.outcome": ("Finding",),
    "sandbox.vet": ("vet",),
}
"""Where each public name is defined."""

_HOME = {name: module for module, names in _HOMES.items() for name in names}

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
    "LMContract",
    "LMError",
    "LMReply",
    "LMRequest",
    "LMSettings",
    "Metric",
    "MetricContract",
    "Operator",
    "OperatorContract",
    "OperatorSettings",
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
    "candidates",
    "canonical",
    "compare",
    "confirm",
    "diff",
    "evaluate",
    "export",
    "figures",
    "init",
    "load_task",
    "open_archive",
    "run",
    "run_campaign",
    "source_digest",
    "status",
    "vet",
]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'evoarch' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"evoarch.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
