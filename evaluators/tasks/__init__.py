"""The tasks, by name; and a user's own: by file, or from an installed package."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from pathlib import Path

from evoarch.evaluators import own_code
from evoarch.evaluators.errors import PartError
from evoarch.evaluators.own_code import TASK, file_and_name, find
from evoarch.evaluators.task import Task, TaskError
from evoarch.evaluators.tasks.clrs import clrs_tasks
from evoarch.evaluators.tasks.digits import Digits
from evoarch.evaluators.tasks.files import FILE_KINDS, FORMS_OF_FILES
from evoarch.evaluators.tasks.files.named import named_file
from evoarch.evaluators.tasks.mnist1d import Mnist1d, ShuffledMnist1d
from evoarch.evaluators.tasks.own_class import own_task

TASKS: Mapping[str, Callable[[], Task]] = {
    "mnist1d": Mnist1d,
    "mnist1d-shuffled": ShuffledMnist1d,
    "digits": Digits,
    **clrs_tasks(),
}
"""Every task that `--task` knows by name: its name and what makes it."""

FORMS = (*FORMS_OF_FILES, "FILE.py:CLASS")
"""How `--task` names a user's own data or class."""


class UnknownTask(TaskError):  # noqa: N818 - it reads as what it says: there is no such task
    """There is no task of that name; the message names the nearest."""


def families() -> list[str]:
    """The names as a person reads them: what belongs together once."""
    return list(dict.fromkeys(name if "/" not in name else name.split("/")[0] + "/..." for name in TASKS))


def load_task(name: str, folder: Path | None = None) -> Task:
    """The task called `name`; a path in it is relative to `folder` (None: the current one).

    Raises UnknownTask, naming the nearest known one, and TaskError for a user's own that does not hold.
    """
    named = named_file(name)
    if named and named.kind in FILE_KINDS:
        return FILE_KINDS[named.kind](named, (folder or Path()) / named.path)
    if name not in TASKS and file_and_name(name) is None and name not in own_code.installed(TASK):
        near = difflib.get_close_matches(name, [*TASKS, *FILE_KINDS], n=1, cutoff=0.0)[0]
        known = ", ".join([*families(), *own_code.installed(TASK), *FORMS])
        nearest = next((form for form in FORMS if form.partition(":")[0] == near), near)
        raise UnknownTask(f"task: expected one of {known}, got {name!r}; nearest is {nearest!r}")
    try:
        found = find(TASK, name, TASKS, folder)
    except PartError as error:
        raise TaskError(str(error)) from None
    return own_task(found) if found.own else TASKS[name]()


def from_file(name: str) -> bool:
    """Whether a task is a user's own file, which is named relative to a folder."""
    named = named_file(name)
    return name not in TASKS and (
        (named is not None and named.kind in FILE_KINDS) or file_and_name(name) is not None
    )


def scales(name: str) -> bool:
    """Whether a task scales the inputs that it reads from the user's files."""
    named = named_file(name)
    return named is not None and named.kind in FILE_KINDS and named.kind not in ("text", "text-class")


def moved(name: str, folder: Path, target: Path) -> str:
    """`name`, whose path is relative to `folder`, as the folder `target` has to say it."""
    named = named_file(name)
    if named is None or named.kind not in FILE_KINDS:
        return own_code.moved(name, folder, target)
    return str(named.moved(folder, target))
