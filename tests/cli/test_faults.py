"""Commands that meet what is missing, no folder, edited or interrupted: one line, an exit code."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from evoarch.agent.config.load import load
from kit.command import SCRIPT, evoarch, new_campaign


def test_a_campaign_without_an_archive_has_the_state_new(folder: Path) -> None:
    result = evoarch("status", str(folder), "--json")
    assert result.exit_code == 0
    status = json.loads(result.stdout)
    assert (status["state"], status["budget"], status["evaluations"]) == ("new", 3, 0)
    assert evoarch("status", str(folder)).exit_code == 0


@pytest.mark.parametrize("command", ["status", "run", "list"])
def test_a_folder_that_is_none_is_one_line(tmp_path: Path, command: str) -> None:
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file", tmp_path / "nowhere"):
        result = evoarch(command, str(place))
        assert result.exit_code == 2
        assert result.output.count("\n") == 1
        assert "campaign.toml" in result.output


def test_init_where_no_folder_can_be_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = evoarch("init", str(tmp_path / "file" / "campaign"), "--lm", "none")
    assert result.exit_code in (1, 2)
    assert result.output.count("\n") == 1


def test_any_name_can_be_written(tmp_path: Path) -> None:
    name = 'the "best" of \\ all, größer'
    new_campaign(tmp_path / "c", "--name", name)
    assert load(tmp_path / "c").campaign.name == name


def test_no_seeds_is_said_before_there_is_an_archive(folder: Path) -> None:
    result = evoarch("run", str(folder), "--set", "seeds.files=[]")
    assert result.exit_code == 2
    assert "seeds.files: expected at least one model file" in result.output
    assert not (folder / "archive.db").exists()


def test_an_unknown_task_in_the_configuration_names_the_nearest(folder: Path) -> None:
    result = evoarch("run", str(folder), "--set", "campaign.task=mnist2d")
    assert result.exit_code == 2
    assert result.output.count("\n") == 1
    assert "mnist1d" in result.output


def test_no_objective_at_all_is_one_line(folder: Path) -> None:
    result = evoarch("run", str(folder), "--set", "selection.objectives=[]")
    assert result.exit_code == 2
    assert "selection.objectives" in result.output


def test_rungs_out_of_order_are_one_line(folder: Path) -> None:
    result = evoarch("run", str(folder), "--set", "evaluation.rungs=[{share=0.5}, {share=0.2}]")
    assert result.exit_code == 2
    assert result.output.count("\n") == 1
    assert "evaluation.rungs: expected rising shares" in result.output
    assert "got steps 200, 80" in result.output


SMALL = ["--set", "evaluation.repeats=1", "--set", 'seeds.files=["seeds/mlp.py"]']


def test_what_a_campaign_is_measured_by_stays_and_its_budget_may_grow(folder: Path) -> None:
    result = evoarch("run", str(folder), *SMALL, "--set", "budget.evaluations=1", "--json")
    assert result.exit_code == 0
    status = json.loads(result.stdout)
    assert (status["budget"], status["evaluations"]) == (1, 1)
    result = evoarch("run", str(folder), *SMALL, "--set", 'selection.objectives=["error", "parms"]')
    assert result.exit_code == 2
    assert "no metric 'parms'; nearest known: params" in result.output
    result = evoarch("run", str(folder), *SMALL, "--set", "campaign.seed=7")
    assert result.exit_code == 2
    assert "campaign.seed: expected 0, as this campaign was measured so far, got 7" in result.output
    result = evoarch("run", str(folder), *SMALL, "--set", "evaluation.rungs=[{share=0.5}]")
    assert result.exit_code == 2
    assert "evaluation.rungs: expected [], as this campaign was measured so far" in result.output


def test_a_second_interrupt_stops_at_once_without_a_traceback(folder: Path) -> None:
    run = subprocess.Popen(
        [SCRIPT, "run", str(folder), *SMALL, "--set", "budget.evaluations=500"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    try:
        _wait_until_it_trains(folder, run)
        run.send_signal(signal.SIGINT)
        assert run.stderr is not None
        while "stopping" not in run.stderr.readline():
            assert run.poll() is None
        run.send_signal(signal.SIGINT)
        out, err = run.communicate(timeout=60)
    finally:
        run.kill()
        run.wait()
    assert "Traceback" not in out + err
    assert "exception" not in err
    assert run.returncode == 130, err
    assert json.loads(evoarch("status", str(folder), "--json").stdout)["state"] in ("interrupted", "stopped")


def _wait_until_it_trains(folder: Path, run: "subprocess.Popen[str]") -> None:
    while run.poll() is None:
        status = json.loads(evoarch("status", str(folder), "--json").stdout)
        if status["proposals"]:
            return
        time.sleep(0.1)
    raise AssertionError(run.stderr.read() if run.stderr else "")
