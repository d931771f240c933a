"""The tasks, by name; and those of a user's own data, by file."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Mapping
from pathlib import Path

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
    if make := TASKS.get(name):
        return make()
    folder = folder or Path()
    if own := _parts(name):
        path, wanted = own
        return own_task(name, folder / path, wanted) if wanted else tensors_task(name, folder / path)
    near = difflib.get_close_matches(name, [*TASKS, TENSORS], n=1, cutoff=0.0)[0]
    known = ", ".join([*families(), *FORMS])
    raise UnknownTask(
        f"task: expected one of {known}, got {name!r}; nearest is {FORMS[0] if near == TENSORS else near!r}"
    )


def from_file(name: str) -> bool:
    """Whether a task is a user's own, and its data may change."""
    return name not in TASKS and _parts(name) is not None


def moved(name: str, folder: Path, target: Path) -> str:
    """`name`, whose path is relative to `folder`, as the folder `target` has to say it."""
    own = None if name in TASKS else _parts(name)
    if own is None or Path(own[0]).is_absolute():
        return name
    path = os.path.relpath((folder / own[0]).resolve(), target.resolve())
    return f"{path}:{own[1]}" if own[1] else f"{TENSORS}:{path}"


def _parts(name: str) -> tuple[str, str] | None:
    """Path and class ("": a data file) of a user's own task."""
    kind, colon, path = name.partition(":")
    if kind == TENSORS and colon:
        return path, ""
    path, colon, wanted = name.rpartition(":")
    return (path, wanted) if colon and path.endswith(".py") else None
