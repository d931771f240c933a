"""The tasks, by name."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping

from evaluators.task import Task, TaskError
from evaluators.tasks.clrs import clrs_tasks
from evaluators.tasks.digits import Digits
from evaluators.tasks.mnist1d import Mnist1d, ShuffledMnist1d

TASKS: Mapping[str, Callable[[], Task]] = {
    "mnist1d": Mnist1d,
    "mnist1d-shuffled": ShuffledMnist1d,
    "digits": Digits,
    **clrs_tasks(),
}
"""Every task that `--task` knows: its name and what makes it."""


class UnknownTask(TaskError):  # noqa: N818 - it reads as what it says: there is no such task
    """There is no task of that name; the message names the nearest."""


def load_task(name: str) -> Task:
    """The task called `name`. Raises UnknownTask, naming the nearest known one."""
    make = TASKS.get(name)
    if make is None:
        near = difflib.get_close_matches(name, TASKS, n=1, cutoff=0.0)
        families = dict.fromkeys(
            known if "/" not in known else known.split("/")[0] + "/..." for known in TASKS
        )
        raise UnknownTask(
            f"task: expected one of {', '.join(families)}, got {name!r}; nearest is {near[0]!r}"
        )
    return make()
