"""The processes of a comparison: none outlives it, and they are of this evoarch whatever stands around."""

from __future__ import annotations

import os
import select
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from kit.command import SCRIPT, evoarch, small_campaign

TASK = """\
import os
import signal
from evoarch.evaluators.tasks.mnist1d import Mnist1d

class Mine(Mnist1d):
    pass

def asked(*_):
    with open(os.environ["ASKED"], "w") as out:
        out.write("to stop")

if "BEGUN" in os.environ:
    signal.signal(signal.SIGTERM, asked)
    with open(os.environ["BEGUN"], "w") as out:
        out.write(str(os.getpid()))
    while True:
        signal.pause()
"""
"""A task in which a run that is told so stays, and says that it was asked to stop."""


def campaign(folder: Path, task: str) -> Path:
    text = (small_campaign(folder, "--evaluations", "1") / "campaign.toml").read_text()
    (folder / "campaign.toml").write_text(text.replace('task = "mnist1d"', f'task = "{task}"'))
    return folder


@dataclass
class Held:
    """A comparison whose one run is under way and stays so; `watch`: the run's process."""

    compare: subprocess.Popen[bytes]
    asked: Path
    watch: int

    def run_ended(self) -> bool:
        return bool(select.select([self.watch], [], [], 20)[0])


def command(folder: Path) -> list[str]:
    return [SCRIPT, "compare", str(folder), "--arms", "random:1"]


@contextmanager
def held(folder: Path) -> Iterator[Held]:
    begun, asked = folder / "begun", folder / "asked"
    for fifo in (begun, asked):
        os.mkfifo(fifo)
    environment = {**os.environ, "BEGUN": str(begun), "ASKED": str(asked)}
    with subprocess.Popen(command(folder), env=environment, stderr=subprocess.DEVNULL) as compare:
        watch = os.pidfd_open(int(begun.read_text()))
        try:
            yield Held(compare, asked, watch)
        finally:
            compare.kill()
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(watch, signal.SIGKILL)
            os.close(watch)


@pytest.mark.slow
def test_kill_9_leaves_no_run_behind_and_the_same_command_goes_on(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(TASK)
    folder = campaign(tmp_path / "c", f"{tmp_path}/mine.py:Mine")
    with held(folder) as comparison:
        comparison.compare.kill()
        assert comparison.run_ended(), "a run outlived its comparison"
    again = subprocess.run(command(folder), capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    assert "1/1 random seed 0" in again.stderr


def test_a_second_signal_ends_what_does_not_stop(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(TASK)
    folder = campaign(tmp_path / "c", f"{tmp_path}/mine.py:Mine")
    with held(folder) as comparison:
        comparison.compare.terminate()
        assert comparison.asked.read_text() == "to stop"
        comparison.compare.terminate()
        assert comparison.compare.wait(60) == 143
        assert comparison.run_ended(), "a run outlived its comparison"


def test_a_folder_called_as_a_package_of_ours_is_not_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("agent", "archive", "evaluators"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise SystemExit('not evoarch')\n")
    # The run gets as far as reading its task.
    folder = campaign(tmp_path / "c", "no-such-task")
    monkeypatch.chdir(tmp_path)
    done = evoarch("compare", "c", "--arms", "random:1")
    assert "no run is finished yet" in done.stderr
    log = (folder / "compare" / "random" / "seed-0" / "run.log").read_text()
    assert "task: expected one of mnist1d" in log
    assert "not evoarch" not in log
