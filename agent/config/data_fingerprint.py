"""A user's own files: their paths as another folder says them, and whether a task's data are the same."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from evoarch.agent.base.errors import UserError
from evoarch.agent.config.edit import edited, rewrite
from evoarch.agent.config.load import Config, parse
from evoarch.agent.config.recorded import Settings, value_at
from evoarch.archive.store import Store
from evoarch.evaluators.checks import asked, check_splits
from evoarch.evaluators.fit import fit_file, fit_source
from evoarch.evaluators.task import SupervisedTask, Task
from evoarch.evaluators.tasks import TASKS, moved
from evoarch.evaluators.tasks.files.task import FileTask
from evoarch.evaluators.tasks.files.text import TextTask


def fingerprint(name: str, task: Task, seed: int) -> str:
    """SHA-256 of what a task of a user's own measures by; "" for one of ours, whose data don't change.

    Of data files their bytes; of a class the splits that it gives for the campaign's seed, its loss, and the
    text of its training loop. Raises TaskError.
    """
    if name in TASKS or not isinstance(task, SupervisedTask):
        return ""
    if isinstance(task, FileTask | TextTask):
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


def moved_parts(data: Mapping[str, Any], source: Path, folder: Path) -> dict[str, Any]:
    """The campaign.toml of the campaign in `source` as the folder `folder` has to say it: the paths of its
    task and of other parts of the user's own.
    """
    changed = copy.deepcopy(dict(data))
    _move_parts(changed, source, folder)
    return changed


def _move_parts(data: Any, source: Path, folder: Path) -> None:
    """Changes `data`, as plain values or as a document that keeps its layout, where a path is another one."""
    places: list[tuple[Any, Any]] = [(data.get("campaign"), "task"), (data.get("selection"), "method")]
    places += [(table, "name") for table in data.get("operators", ())]
    places += [(table, "backend") for table in data.get("lm", ())]
    evaluation = data.get("evaluation")
    if isinstance(evaluation, dict) and isinstance(metrics := evaluation.get("metrics"), list):
        places += [(metrics, number) for number in range(len(metrics))]
    for table, key in places:
        known = table[key] if isinstance(table, list) else isinstance(table, dict) and table.get(key)
        if isinstance(known, str) and (name := moved(str(known), source, folder)) != known:
            table[key] = name


def retold(config: Config, source: Path, folder: Path) -> Config:
    """A configuration of the campaign in `source` as the folder `folder` has to say it."""
    data = config.model_dump(mode="json")
    changed = moved_parts(data, source, folder)
    return config if changed == data else parse(changed, str(source))


def moved_settings(settings: Settings, source: Path, folder: Path) -> Settings:
    """Settings of the campaign in `source` as the folder `folder` has to say them."""
    config = retold(settings.config, source, folder)
    before, now = settings.config.model_dump(mode="json"), config.model_dump(mode="json")
    moved = (
        each
        if (value := value_at(now, each.key)) == value_at(before, each.key)
        else replace(each, text=f"{each.key}={json.dumps(value)}")
        for each in settings.overrides
    )
    return replace(settings, config=config, overrides=tuple(moved))


def retell(path: Path, source: Path) -> None:
    """Changes the paths of the user's own parts in the copied campaign.toml at `path`, and nothing else.

    Raises UserError.
    """
    rewrite(path, edited(path, lambda data: _move_parts(data, source, path.parent)))
