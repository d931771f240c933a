"""`tensors:FILE`: a user's own data file, .npz or .safetensors, as a classification or a regression.

The file holds `x_train`, `y_train`; perhaps `x_val`, `y_val` (else a fifth of the training examples is drawn
by the campaign's seed) and `x_test`, `y_test`, which only `confirm` opens, with `x_selection`, `y_selection`
to select on (else a fixed half of the test). Integer targets (n,) are class numbers, floating point ones (n,)
or (n, k) make a regression.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from evoarch.evaluators.tasks.files.named import NamedFile
from evoarch.evaluators.tasks.files.task import FileData, FileTask, file_task
from evoarch.evaluators.tasks.files.tensors_file import notes_of, read_parts


def tensors_task(named: NamedFile, path: Path) -> FileTask:
    """The task of the file at `path`. Raises TaskError, one line that names the array."""
    named.refuse_unknown({})
    parts, classes = read_parts(path)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return file_task(str(named), FileData(parts, classes, digest, notes=notes_of(path, parts, classes)))
