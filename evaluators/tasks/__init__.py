"""The tasks, by name."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping

from evaluators.task import Task
from evaluators.tasks.mnist1d import Mnist1d

TASKS: Mapping[str, Callable[[], Task]] = {"mnist1d": Mnist1d}
"""Every task that `--task` knows: its name and what makes it."""


class UnknownTask(ValueError):  # noqa: N818 - it reads as what it says: there is no such task
    """There is no task of that name; the message names the nearest."""


def load_task(name: str) -> Task:
    """The task called `name`. Raises UnknownTask, naming the nearest known one."""
    make = TASKS.get(name)
    if make is None:
        near = difflib.get_close_matches(name, TASKS, n=1, cutoff=0.0)
        raise UnknownTask(f"task: expected one of {', '.join(TASKS)}, got {name!r}; nearest is {near[0]!r}")
    return make()
