"""kill -9 of a real run: the rerun ends where it should, nothing is twice, nobody is left behind."""

import subprocess
import sys
from pathlib import Path

import pytest

from kit.paths import BENCHMARKS


@pytest.mark.slow
def test_a_campaign_survives_kill_9(tmp_path: Path) -> None:
    done = subprocess.run(
        [
            sys.executable,
            str(BENCHMARKS / "kill.py"),
            "--evaluations",
            "8",
            "--kills",
            "3",
            "--folder",
            str(tmp_path),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "evaluations 8, evaluated twice 0, ids missing 0, processes left 0, state complete" in done.stdout
