"""CLRS-30 (Velickovic et al. 2022): evolve the message function of graph networks that learn algorithms."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from evoarch.evaluators.task import Task
from evoarch.evaluators.tasks.clrs.specs import algorithms


def clrs_tasks() -> dict[str, Callable[[], Task]]:
    """Every CLRS task by name: `clrs/<algorithm>` and `clrs-processor/<algorithm>`."""
    return {
        f"{prefix}/{algorithm}": partial(_make, algorithm, scope)
        for prefix, scope in (("clrs", "message"), ("clrs-processor", "processor"))
        for algorithm in algorithms()
    }


def _make(algorithm: str, scope: str) -> Task:
    # Imported late: a command that lists tasks should not pay for torch.
    from evoarch.evaluators.tasks.clrs.task import ClrsTask

    return ClrsTask(algorithm, scope)
