"""A task of a user's own files: its path as another folder says it, and whether its data are the same."""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from pathlib import Path

import numpy as np
import tomli_w

from evoarch.agent.base.errors import UserError
from evoarch.agent.config.load import Config
from evoarch.archive.store import Store
from evoarch.evaluators.checks import asked, check_splits
from evoarch.evaluators.fit import fit_file, fit_source
from evoarch.evaluators.task import SupervisedTask, Task
from evoarch.evaluators.tasks import from_file, moved
from evoarch.evaluators.tasks.tensors import Tensors


def fingerprint(name: str, task: Task, seed: int) -> str:
    """SHA-256 of what a task of a user's own measures by; "" for one of ours, whose data don't change.

    Of a data file its bytes; of a class the splits that it gives for the campaign's seed, its loss, and the
    text of its training loop. Raises TaskError.
    """
    if not from_file(name) or not isinstance(task, SupervisedTask):
        return ""
    if isinstance(task, Tensors):
        return task.digest
    splits = check_splits(task, asked(task, "splits", lambda: task.splits(seed)))
    path = fit_file(task)
    digest = hashlib.sha256(f"{task.loss}\n{fit_source(path) if path else ''}\n".encode())
    for split in (splits.train, splits.validation):
        for array in (split.inputs, split.targets):
            digest.update(f"{array.dtype} {array.shape}\n".encode())
            digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def refuse_changed(store: Store, name: str, data: str) -> None:
    """Raises UserError where the data are others than those that the campaign's scores were measured on."""
    began = store.last_event_detail("session").get("data")
    if began and data != began and store.last_event("settled") is not None:
        raise UserError(
            f"task {name}: expected the data that this campaign was measured on so far (SHA-256 "
            f"{str(began)[:12]}), got others ({data[:12]}); `evoarch init` begins another one"
        )


def retold(config: Config, source: Path, folder: Path) -> Config:
    """A configuration of the campaign in `source` as the folder `folder` has to say it."""
    task = moved(config.campaign.task, source, folder)
    return config.model_copy(update={"campaign": config.campaign.model_copy(update={"task": task})})


def retell(path: Path, config: Config, source: Path) -> None:
    """Changes the task's path in the copied campaign.toml at `path`, and nothing else of it."""
    task = moved(config.campaign.task, source, path.parent)
    if task == config.campaign.task:
        return
    text = path.read_text(encoding="utf-8")
    wanted = tomllib.loads(text)
    wanted["campaign"]["task"] = task
    line = f"task = {json.dumps(task, ensure_ascii=False)}"
    edited = re.sub(r"""(?m)^\s*task\s*=\s*("[^"\n]*"|'[^'\n]*')""", lambda _: line, text, count=1)
    # Where the line is written in another way the comments are lost, not the meaning.
    path.write_text(edited if tomllib.loads(edited) == wanted else tomli_w.dumps(wanted), encoding="utf-8")
