"""[trainer] in a campaign: what is refused beforehand, and a campaign that an external program trains."""

from __future__ import annotations

import json
import sys
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import pytest
import tomlkit

from evoarch.agent.base.errors import UserError
from evoarch.agent.evaluation.external_trainer import (
    RUNS,
    gpu_groups,
    moved_trainer,
    slots,
    whole,
    with_trainer,
)
from evoarch.archive.store import open_archive
from evoarch.evaluators.tasks import load_task
from evoarch.evaluators.trainer import Trainer
from evoarch.sandbox.job import Job
from evoarch.sandbox.level import bwrap_problem
from evoarch.sandbox.limits import Level
from evoarch.sandbox.outcome import ChildOutcome, Finished
from kit.campaigns import config_of
from kit.command import evoarch, new_campaign
from kit.paths import FIXTURES

PROGRAM = FIXTURES / "trainer" / "train.py"
TASK = load_task("digits")
needs_bwrap = pytest.mark.skipif(bool(bwrap_problem()), reason="bubblewrap does not work here")


class Children:
    level = Level.FULL

    async def run(self, job: Job) -> ChildOutcome:
        return Finished({})

    async def close(self) -> None:
        pass


around = partial(with_trainer, AsyncExitStack(), Children())


def trainer(
    folder: Path, unsafe: bool = False, problem: str = "", evaluation: object = None, **table: object
) -> object:
    made = config_of(trainer={"command": ["sh", "train.sh"], **table}, evaluation=evaluation or {})
    return with_trainer(
        AsyncExitStack(), Children(), made, TASK, folder, unsafe=unsafe, bwrap_problem=lambda: problem
    )


def test_without_a_command_the_children_train(tmp_path: Path) -> None:
    children = Children()
    assert with_trainer(AsyncExitStack(), children, config_of(), TASK, tmp_path, unsafe=False) is children
    assert not (tmp_path / RUNS).exists()


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"command": ["sh", "{genom}"]}, "trainer.command: unknown {genom}; nearest known: genome"),
        ({"command": ["no-such-program"]}, "trainer.command: expected a program, got 'no-such-program'"),
        ({"files": ["data"]}, "trainer.files: expected a file or a folder, got 'data', which is not there"),
        ({"environment": ["NO_SUCH_ONE"]}, "trainer.environment: expected a variable, got 'NO_SUCH_ONE'"),
        (
            {"isolation": "none"},
            'trainer.isolation "none": trainer.command would run generated code',
        ),
        (
            {"problem": "bubblewrap is not installed"},
            "trainer.isolation: expected bubblewrap around trainer",
        ),
        ({"evaluation": {"inherit": True}}, "evaluation.inherit: trainer.command trains whole"),
        (
            {"evaluation": {"rungs": [{"share": 0.5}]}},
            "evaluation.rungs: trainer.command trains whole",
        ),
    ],
)
def test_what_cant_be_run_is_refused_in_one_line(tmp_path: Path, table: dict[str, object], said: str) -> None:
    with pytest.raises(UserError) as caught:
        trainer(tmp_path, **table)  # type: ignore[arg-type]
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unguarded_program_wants_unsafe_or_the_users_word(tmp_path: Path) -> None:
    bare = trainer(tmp_path, unsafe=True, isolation="none")
    assert isinstance(bare, Trainer)
    assert bare.level is Level.NONE
    own = trainer(tmp_path, problem="bubblewrap is not installed", isolation="own")
    assert isinstance(own, Trainer)
    assert own.level is Level.FULL


def test_a_unknown_key_of_the_table_names_the_nearest() -> None:
    with pytest.raises(UserError, match=r"trainer\.comand: unknown key; nearest known: command"):
        config_of(trainer={"comand": ["x"]})


def test_a_task_may_bring_the_command(tmp_path: Path) -> None:
    class Own:
        name = "own"
        command = ("sh", "{settings}")

    made = with_trainer(
        AsyncExitStack(), Children(), config_of(), Own(), tmp_path, unsafe=False, bwrap_problem=lambda: ""
    )  # type: ignore[arg-type]
    assert isinstance(made, Trainer)
    recipe = next(iter(TASK.recipes.values()))
    assert whole(recipe, config_of(), Own()).checkpoints == 1  # type: ignore[arg-type]


def test_files_of_the_campaign_are_found_from_another_folder(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("")
    table = {"command": ["python", "train.py", "{settings}", "other"], "files": ["train.py"], "gpus": 1}
    full = str((tmp_path / "train.py").resolve())
    assert moved_trainer(table, tmp_path) == {
        "command": ["python", full, "{settings}", "other"],
        "files": [full],
        "gpus": 1,
    }


def test_slots_are_counted_by_devices_or_cores() -> None:
    table = config_of(trainer={"gpus": 2}).trainer
    assert gpu_groups(table, {"CUDA_VISIBLE_DEVICES": "0,1,GPU-a,3,4"}) == (("0", "1"), ("GPU-a", "3"))
    assert slots(table, 64, {"CUDA_VISIBLE_DEVICES": "0,1,2,3"}) == 2
    with pytest.raises(UserError, match=r"trainer\.gpus: expected 2 for a training, this machine has 1"):
        gpu_groups(table, {"CUDA_VISIBLE_DEVICES": "7"})
    assert slots(config_of(trainer={"processes": 4}).trainer, 10, {}) == 2
    assert slots(config_of(trainer={"processes": 4}).trainer, 2, {}) == 1


@pytest.mark.slow
@needs_bwrap
def test_a_campaign_is_trained_by_two_processes_of_another_program(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    new_campaign(folder, "--task", "digits")
    (folder / "train.py").write_text(PROGRAM.read_text())
    text = (folder / "campaign.toml").read_text()
    table = {"command": [sys.executable, "train.py", "{settings}", "{processes}"], "processes": 2}
    (folder / "campaign.toml").write_text(text + "\n" + tomlkit.dumps({"trainer": table}))
    options = ["--set", "budget.evaluations=2", "--set", "evaluation.repeats=1"]
    done = evoarch("run", str(folder), "--json", *options)
    assert done.exit_code == 0, done.output
    store = open_archive(folder, write=False)
    with store:
        scored = store.scored()
        assert len(scored) >= 3
        assert all(each.metrics["error"] < 0.5 for each in scored)
        assert store.totals.entered_training() == 2
    assert not (folder / RUNS).exists()
    shown = json.loads(evoarch("status", str(folder), "--json").stdout)
    assert shown["level"] == "full"
    # The program is part of the measure: scores of another one don't compare.
    other = evoarch("run", str(folder), "--set", 'trainer.command=["true"]', "--set", "budget.evaluations=3")
    assert other.exit_code == 2
    assert "trainer.command: expected" in other.output
