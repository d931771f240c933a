"""[trainer]: a program of the user's own that trains; from the table to what runs it, checked beforehand."""

from __future__ import annotations

import inspect
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from evoarch.agent.base.errors import UserError, nearest
from evoarch.agent.config.load import Config
from evoarch.agent.config.measuring import TrainerTable
from evoarch.evaluators.task import Recipe, Task
from evoarch.evaluators.trainer import PLACES, Trainer, Training, unknown_place
from evoarch.sandbox import level
from evoarch.sandbox.external import Bounds
from evoarch.sandbox.external_walls import SCRATCH
from evoarch.sandbox.job import Runner

RUNS = ".trainer-runs"
"""In the campaign's folder: the folders of trainings under way, emptied when a run begins and ends."""

HANDED_ON = ("PATH", "HOME", "USER", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "TMPDIR")
"""What an unwalled program has of the user's environment, beside `trainer.environment`."""


def trains_by_command(config: Config, task: Task) -> bool:
    """Whether a program trains this campaign's candidates."""
    return bool(config.trainer.command or getattr(task, "command", ()))


def whole(recipe: Recipe, config: Config, task: Task) -> Recipe:
    """`recipe` as a program trains it: it leaves one set of weights."""
    return replace(recipe, checkpoints=1) if trains_by_command(config, task) else recipe


def with_trainer(
    stack: AsyncExitStack,
    runner: Runner,
    config: Config,
    task: Task,
    folder: Path,
    *,
    unsafe: bool,
    files: Path | None = None,
    bwrap_problem: Callable[[], str] = level.bwrap_problem,
) -> Runner:
    """`runner`, with the campaign's program around it where there is one.

    `stack` clears its folder in the end; whoever made `runner` closes it. `files`: the folder that the
    campaign's own files are in, where that is not `folder`. Raises UserError for a command that can't be
    run, and for one without walls where nobody said unsafe.
    """
    if not trains_by_command(config, task):
        return runner
    files = files or folder
    table, base, place = config.trainer, files, "trainer.command"
    command: Sequence[str] = table.command
    if not command:
        command, base = tuple(getattr(task, "command", ())), Path(inspect.getfile(type(task))).parent
        place = f"task {task.name}: command"
    for key in ("rungs", "inherit", "recipe_search"):
        if getattr(config.evaluation, key):
            raise UserError(f"evaluation.{key}: {place} trains whole, by one recipe; expected none beside it")
    if name := unknown_place(command):
        raise UserError(f"{place}: unknown {{{name}}}; {nearest(name, PLACES)}")
    words, named = _found(command, base, place)
    shows = (*named, *(_shown(files, file) for file in table.files))
    bwrap = _walls(table, place, bwrap_problem, unsafe=unsafe)
    at_once = config.evaluation.workers or slots(table, len(os.sched_getaffinity(0)), os.environ)
    training = Training(
        command=tuple(words),
        folder=folder.resolve() / RUNS,
        bounds=Bounds(table.wall_clock, table.output << 20, table.memory << 20),
        bwrap=bwrap,
        guarded=table.isolation != "none",
        shows=shows,
        variables=_variables(table, words[0], walled=bool(bwrap)),
        processes=table.processes,
        slots=gpu_groups(table, os.environ) or ((),) * at_once,
    )
    try:
        trainer = Trainer(runner, training)
    except OSError as error:
        raise UserError(f"{training.folder}: {error.strerror}", code=1) from None
    stack.callback(trainer.clear)
    return trainer


def _walls(table: TrainerTable, place: str, bwrap_problem: Callable[[], str], *, unsafe: bool) -> str:
    """The path of bubblewrap, where it is to be around the command that `place` names; else "".

    Raises UserError where it doesn't work, and for a command without walls where nobody said unsafe.
    """
    if table.isolation == "bwrap":
        if problem := bwrap_problem():
            raise UserError(
                f'trainer.isolation: expected bubblewrap around {place}, but {problem}; "own" says that the '
                'command walls itself off, "none" with --unsafe that nothing does'
            )
        return level.find_bwrap() or ""
    if table.isolation == "none" and not unsafe:
        raise UserError(
            f'trainer.isolation "none": {place} would run generated code with your rights; --unsafe accepts '
            'that, "bwrap" walls it off, "own" says that the command does so itself'
        )
    return ""


def slots(table: TrainerTable, cores: int, environment: Mapping[str, str]) -> int:
    """How many trainings this machine has room for at once: by GPUs where one takes any, else by cores."""
    groups = gpu_groups(table, environment)
    return len(groups) if groups else max(1, cores // table.processes)


def gpu_groups(table: TrainerTable, environment: Mapping[str, str]) -> tuple[tuple[str, ...], ...]:
    """The machine's GPUs, `gpus` for each training that runs at once; () where a training takes none.

    CUDA_VISIBLE_DEVICES says which there are, else torch does. Raises UserError where they are too few.
    """
    if not table.gpus:
        return ()
    visible = environment.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        import torch

        ids = [str(number) for number in range(torch.cuda.device_count())]
    else:
        ids = [name.strip() for name in visible.split(",") if name.strip()]
    groups = [tuple(ids[at : at + table.gpus]) for at in range(0, len(ids) - table.gpus + 1, table.gpus)]
    if not groups:
        raise UserError(f"trainer.gpus: expected {table.gpus} for a training, this machine has {len(ids)}")
    return tuple(groups)


def moved_trainer(table: Mapping[str, Any], source: Path) -> dict[str, Any]:
    """A [trainer] table of the campaign in `source`, as another folder says it: its own files by its
    full path.
    """
    return {
        key: [_full(source, word) for word in value] if key in ("command", "files") else value
        for key, value in table.items()
    }


def _found(command: Sequence[str], base: Path, place: str) -> tuple[list[str], list[Path]]:
    """The command with its files by full path, and those files."""
    words = [_full(base, word) for word in command]
    named = [Path(word) for word in words[1:] if os.path.isabs(word) and os.path.exists(word)]
    program = shutil.which(words[0])
    if program is None:
        raise UserError(f"{place}: expected a program, got {command[0]!r}, which is not there")
    return [program, *words[1:]], named


def _full(base: Path, word: str) -> str:
    """A word that names a file relative to `base` as that file's path; any other as it is."""
    path = base / word
    return str(path.resolve()) if word and not os.path.isabs(word) and path.is_file() else word


def _shown(folder: Path, file: str) -> Path:
    path = (folder / file).resolve()
    if not path.exists():
        raise UserError(f"trainer.files: expected a file or a folder, got {file!r}, which is not there")
    return path


def _variables(table: TrainerTable, program: str, *, walled: bool) -> dict[str, str]:
    """One thread in each process unless the program says otherwise: trainings share a machine."""
    found = {
        "OMP_NUM_THREADS": "1",
        "PYTHONHASHSEED": "0",
        "PYTHONUNBUFFERED": "1",
        "TORCHINDUCTOR_CACHE_DIR": f"{SCRATCH}/torchinductor",
        # There is no other network behind bubblewrap, and one machine needs none.
        "GLOO_SOCKET_IFNAME": "lo",
        "NCCL_SOCKET_IFNAME": "lo",
    }
    if walled:
        found["PATH"] = f"{os.path.dirname(program)}:/usr/local/bin:/usr/bin:/bin"
        found["LANG"] = "C.UTF-8"
    else:
        found |= {name: os.environ[name] for name in HANDED_ON if name in os.environ}
    for name in table.environment:
        if name not in os.environ:
            raise UserError(f"trainer.environment: expected a variable, got {name!r}, which is not set")
        found[name] = os.environ[name]
    return found
