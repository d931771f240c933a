"""How a run ends: what failed is named, and the exit code tells a signal, a failure and an end apart."""

import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from evoarch.agent.search.stopping import Patience
from evoarch.sandbox.job import Job
from evoarch.sandbox.outcome import ChildOutcome, Raised
from kit.command import SCRIPT, evoarch, new_campaign, output_of
from kit.quick_walls import QuickWalls, quick_walls

SETS = ["--set", "constraints.error=1.0", "--set", "evaluation.repeats=1"]


class SomeFail(QuickWalls):
    """Trainings of sources with a GRU or with residual blocks raise."""

    async def run(self, job: Job) -> ChildOutcome:
        if job.function == "train" and re.search(r"GRU|Residual|shortcut", job.genome):
            return Raised("train", "ValueError", "expected a multiple of 3, got 4")
        return await super().run(job)


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> QuickWalls:
    walls = SomeFail()

    async def start(*arguments: object, **named: object) -> QuickWalls:
        return walls

    monkeypatch.setattr("evoarch.agent.evaluation.walls.start", start)
    return walls


def test_a_seed_that_fails_is_named_and_the_exit_code_says_so(tmp_path: Path, failing: QuickWalls) -> None:
    folder = new_campaign(tmp_path / "c", "--evaluations", "2")
    result = evoarch("run", str(folder), *SETS)
    status = json.loads(evoarch("status", str(folder), "--json").stdout)
    failed = {seed["name"]: seed["reason"] for seed in status["seeds"] if seed["state"] == "failed"}
    assert failed
    assert len(failed) < len(status["seeds"])
    assert result.exit_code == 1
    assert status["state"] == "complete"
    said = f"evoarch: {len(failed)} seeds failed: {', '.join(failed)}"
    assert said in result.stderr
    for name, reason in failed.items():
        assert "expected a multiple of 3, got 4" in reason
        assert re.search(rf"#\d+ {name} failed: .*expected a multiple of 3, got 4", result.stdout)
    text = output_of("status", str(folder))
    assert f"of the seeds {len(failed)} failed" in text
    page = tmp_path / "r.html"
    output_of("report", str(folder), "-o", str(page))
    assert "expected a multiple of 3, got 4" in page.read_text()


def test_a_seed_above_a_limit_is_named_and_no_failure_of_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick_walls(monkeypatch)
    folder = new_campaign(tmp_path / "c", "--evaluations", "1")
    # Every model of these walls has 400 parameters and guesses: the task's own ceiling fails the seeds.
    result = evoarch("run", str(folder), "--set", "evaluation.repeats=1")
    assert result.exit_code == 1
    assert "no seed was scored" in result.stderr
    text = output_of("status", str(folder))
    assert "of the seeds 4 failed" in text
    assert len(re.findall(r"#\d \w+ failed: constraint: ", text)) == 4


def test_seeds_that_are_the_same_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    quick_walls(monkeypatch)
    folder = new_campaign(tmp_path / "c", "--evaluations", "1")
    (folder / "seeds" / "twin.py").write_text("# mine\n" + (folder / "seeds" / "mlp.py").read_text())
    files = 'seeds.files=["seeds/conv_base.py", "seeds/mlp.py", "seeds/twin.py"]'
    for _ in range(2):
        assert evoarch("run", str(folder), *SETS, "--set", files).exit_code == 0
        text = output_of("status", str(folder))
        assert text.count("seeds/twin.py duplicate: it holds the code of #2 mlp") == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_run_with_its_own_exit_code(tmp_path: Path, number: signal.Signals) -> None:
    folder = new_campaign(tmp_path / "c", "--evaluations", "500")
    files = ["--set", 'seeds.files=["seeds/mlp.py"]', "--set", "evaluation.repeats=1"]
    run = subprocess.Popen(
        [SCRIPT, "run", str(folder), *files],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    try:
        while not json.loads(evoarch("status", str(folder), "--json").stdout)["proposals"]:
            assert run.poll() is None
            time.sleep(0.1)
        run.send_signal(number)
        out, err = run.communicate(timeout=120)
    finally:
        run.kill()
        run.wait()
    assert run.returncode == 128 + number, err
    assert "Traceback" not in out + err
    status = json.loads(evoarch("status", str(folder), "--json").stdout)
    assert status["state"] == "stopped"
    assert status["reason"] == "stopped; `evoarch run` goes on from here"


def test_a_stall_tells_what_stood_in_the_way_most_often() -> None:
    patience = Patience(stall=5)
    patience.settled(trained=False, reason="old")
    patience.settled(trained=True)
    for reason in ("refused", "refused", "same source", "refused"):
        patience.settled(trained=False, reason=reason)
        assert patience.over() == ""
    patience.settled(trained=False, reason="refused")
    assert patience.over() == (
        "stalled: the last 5 proposals brought no new candidate to train (budget.stall); 4 of them: refused"
    )
