"""Tasks of a user's own files: arrays, folders of images, tables.

A kind's module is imported when a task of it is named.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evoarch.evaluators.tasks.files.named import NamedFile

if TYPE_CHECKING:
    from evoarch.evaluators.tasks.files.task import FileTask


def _later(module: str) -> Callable[[NamedFile, Path], FileTask]:
    def made(named: NamedFile, path: Path) -> FileTask:
        kind: Any = import_module(f"{__name__}.{module}")
        task: FileTask = getattr(kind, f"{module}_task")(named, path)
        return task

    return made


FILE_KINDS: Mapping[str, Callable[[NamedFile, Path], FileTask]] = {
    "tensors": _later("tensors"),
    "images": _later("images"),
    "table": _later("table"),
}
"""What stands before the colon, and what makes the task of the file at a path."""

FORMS_OF_FILES = ("tensors:FILE", "images:DIR", "table:FILE,target=COLUMN")
"""How `--task` names each."""
