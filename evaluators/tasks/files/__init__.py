"""Tasks of a user's own files: arrays, images, masks, tables, texts, recordings and series.

A kind's module is imported when a task of it is named.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evoarch.evaluators.tasks.files.named import NamedFile

if TYPE_CHECKING:
    from evoarch.evaluators.tasks.data import DataTask


def _later(module: str) -> Callable[[NamedFile, Path], DataTask]:
    def made(named: NamedFile, path: Path) -> DataTask:
        kind: Any = import_module(f"{__name__}.{module}")
        task: DataTask = getattr(kind, f"{module}_task")(named, path)
        return task

    return made


FILE_KINDS: Mapping[str, Callable[[NamedFile, Path], DataTask]] = {
    "tensors": _later("tensors"),
    "images": _later("images"),
    "table": _later("table"),
    "text": _later("text"),
    "text-class": _later("text_class"),
    "sequence": _later("sequence"),
    "masks": _later("masks"),
}
"""What stands before the colon, and what makes the task of the file at a path."""

FORMS_OF_FILES = (
    "tensors:FILE",
    "images:DIR",
    "table:FILE,target=COLUMN",
    "text:FILE",
    "text-class:FILE,target=COLUMN",
    "sequence:DIR",
    "sequence:FILE,horizon=N",
    "masks:DIR",
)
"""How `--task` names each."""
