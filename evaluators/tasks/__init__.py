"""The tasks, by name; and a user's own: by file, or from an installed package."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Mapping
from pathlib import Path

from evoarch.evaluators import own_code
from evoarch.evaluators.errors import PartError
from evoarch.evaluators.own_code import TASK, file_and_name, find
from evoarch.evaluators.task import Task, TaskError
from evoarch.evaluators.tasks.clrs import clrs_tasks
from evoarch.evaluators.tasks.digits import Digits
from evoarch.evaluators.tasks.mnist1d import Mnist1d, ShuffledMnist1d
from evoarch.evaluators.tasks.own_class import own_task
from evoarch.evaluators.tasks.tensors import tensors_task

TASKS: Mapping[str, Callable[[], Task]] = {
    "mnist1d": Mnist1d,
    "mnist1d-shuffled": ShuffledMnist1d,
    "digits": Digits,
    **clrs_tasks(),
}
"""Every task that `--task` knows by name: its name and what makes it."""

TENSORS = "tensors"
FORMS = (f"{TENSORS}:FILE", "FILE.py:CLASS")
"""How `--task` names a user's own data file or class."""


class UnknownTask(TaskError):  # noqa: N818 - it reads as what it says: there is no such task
    """There is no task of that name; the message names the nearest."""


def families() -> list[str]:
    """The names as a person reads them: what belongs together once."""
    return list(dict.fromkeys(name if "/" not in name else name.split("/")[0] + "/..." for name in TASKS))


def load_task(name: str, folder: Path | None = None) -> Task:
    """The task called `name`; a path in it is relative to `folder` (None: the current one).

    Raises UnknownTask, naming the nearest known one, and TaskError for a user's own that does not hold.
    """
    kind, colon, path = name.partition(":")
    if kind == TENSORS and colon:
        return tensors_task(name, (folder or Path()) / path)
    if name not in TASKS and file_and_name(name) is None and name not in own_code.installed(TASK):
        near = difflib.get_close_matches(name, [*TASKS, TENSORS], n=1, cutoff=0.0)[0]
        known = ", ".join([*families(), *own_code.installed(TASK), *FORMS])
        nearest = FORMS[0] if near == TENSORS else near
        raise UnknownTask(f"task: expected one of {known}, got {name!r}; nearest is {nearest!r}")
    try:
        found = find(TASK, name, TASKS, folder)
    except PartError as error:
        raise TaskError(str(error)) from None
    return own_task(found) if found.own else TASKS[name]()


def from_file(name: str) -> bool:
    """Whether a task is a user's own file, which is named relative to a folder."""
    return name not in TASKS and (name.startswith(f"{TENSORS}:") or file_and_name(name) is not None)


def moved(name: str, folder: Path, target: Path) -> str:
    """`name`, whose path is relative to `folder`, as the folder `target` has to say it."""
    kind, colon, path = name.partition(":")
    if kind != TENSORS or not colon:
        return own_code.moved(name, folder, target)
    if Path(path).is_absolute():
        return name
    return f"{TENSORS}:{os.path.relpath((folder / path).resolve(), target.resolve())}"
