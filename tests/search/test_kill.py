"""kill -9 of a real run: the rerun ends where it should, nothing is twice, nobody is left behind."""

import subprocess
import sys
from pathlib import Path

import pytest

from kit.paths import BENCHMARKS


def killed(folder: Path, *options: str) -> str:
    """What the script prints of eight evaluations and three kills."""
    counts = ["--evaluations", "8", "--kills", "3", "--folder", str(folder)]
    done = subprocess.run(
        [sys.executable, str(BENCHMARKS / "kill.py"), *counts, *options],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_a_campaign_survives_kill_9(tmp_path: Path) -> None:
    wanted = "evaluations 8, evaluated twice 0, ids missing 0, processes left 0, state complete"
    assert wanted in killed(tmp_path)


@pytest.mark.long
def test_a_screened_campaign_that_was_killed_trains_the_same_children(tmp_path: Path) -> None:
    assert "as in a run that nobody killed: yes" in killed(tmp_path, "--drafts", "8")
